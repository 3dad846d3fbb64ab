import { describe, expect, it } from 'vitest';
import { RecentCommits } from '../../../coordinator/store/recent-commits.js';
import { payloadOf, recordOf } from '../helpers.js';

async function keptOf(steps: number, mostBytes: number): Promise<RecentCommits> {
  const kept = new RecentCommits(mostBytes);
  for (let step = 0; step < steps; step++)
    await kept.append(recordOf(step, payloadOf(step, 100)), payloadOf(step, 100));
  return kept;
}

const heldBy = (kept: RecentCommits): number[] => [0, 1, 2, 3, 4, 5].filter((step) => kept.has(step));

describe('the newest commits', () => {
  it('are read as they were when they came, header, state and any range of the bytes', async () => {
    const kept = new RecentCommits(1000);
    const [record, payload] = [recordOf(3, payloadOf(3, 100)), payloadOf(3, 100)];
    await kept.append(record, payload);
    payload.fill(0);
    expect(await kept.read(3)).toEqual(record);
    expect(kept.stateHashAfter(3)).toBe(record.stateHash);
    expect(await kept.readBytes(3, { offset: 10, length: 20 })).toEqual(payloadOf(3, 100).slice(10, 30));
    const target = new Uint8Array(100);
    await kept.readBytes(3, { offset: 0, length: 100 }, target);
    expect(target).toEqual(payloadOf(3, 100));
  });

  it('take no more than the bound, but for the newest, which is always there', async () => {
    expect(heldBy(await keptOf(6, 250))).toEqual([4, 5]);
    const small = await keptOf(6, 10);
    expect([heldBy(small), small.sizeBytes]).toEqual([[5], 100]);
  });

  it('go when nobody reads them any more, and what was read of them stays as it was', async () => {
    const kept = await keptOf(4, 1000);
    const read = await kept.readBytes(1, { offset: 0, length: 100 });
    kept.forget(3);
    expect([heldBy(kept), kept.sizeBytes]).toEqual([[3], 100]);
    for (let step = 4; step < 6; step++) await kept.append(recordOf(step, payloadOf(step, 100)), payloadOf(step, 100));
    expect(read).toEqual(payloadOf(1, 100));
    for (const step of [3, 4, 5])
      expect(await kept.readBytes(step, { offset: 0, length: 100 })).toEqual(payloadOf(step, 100));
    await expect(async () => kept.read(2)).rejects.toThrow('step 2 is not kept any more');
  });

  it('may have no bytes, and other lengths than those before', async () => {
    const kept = new RecentCommits(1000);
    await kept.append(recordOf(0, payloadOf(0, 200)), payloadOf(0, 200));
    kept.forget(1);
    await kept.append({ ...recordOf(1, new Uint8Array(0)), bytes: 0 }, null);
    await kept.append(recordOf(2, payloadOf(2, 300)), payloadOf(2, 300));
    expect([kept.sizeBytes, (await kept.read(1)).bytes]).toEqual([300, 0]);
    expect(await kept.readBytes(2, { offset: 0, length: 300 })).toEqual(payloadOf(2, 300));
  });
});

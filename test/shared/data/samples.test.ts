/** Samples that are read from shards, and shards that are fetched ahead of need. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DataSet } from '../../../shared/data/manifest.js';
import { Samples } from '../../../shared/data/samples.js';
import { temporaryFolder } from '../../worker/fakes.js';

/** Shards of two samples of one byte, the sample's number. */
function shardsIn(folder: string, count: number): DataSet {
  const shards = Array.from({ length: count }, (_, shard) => {
    const labels = Int32Array.of(shard, shard);
    const bytes = Buffer.concat([Buffer.from([2 * shard, 2 * shard + 1]), Buffer.from(labels.buffer)]);
    writeFileSync(join(folder, `shard${shard}`), bytes);
    return { sha256: `shard${shard}`, bytes: bytes.length, samples: 2 };
  });
  return { samples: 2 * count, shape: [1], dtype: 'uint8', shards };
}

/** Fetches that end when the test says so. */
class Fetches {
  readonly asked: string[] = [];
  readonly #waiting = new Map<string, { give: () => void; fail: () => void }>();

  constructor(private readonly folder: string) {}

  readonly fetch = (sha256: string): Promise<string> => {
    this.asked.push(sha256);
    return new Promise((resolve, reject) => {
      const give = (): void => resolve(join(this.folder, sha256));
      this.#waiting.set(sha256, { give, fail: () => reject(new Error(sha256)) });
    });
  };

  async end(sha256: string, how: 'give' | 'fail' = 'give'): Promise<void> {
    this.#waiting.get(sha256)?.[how]();
    // What waits for it goes on in the turns after.
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('shards ahead of need', () => {
  it('are fetched two at a time, each once, in their order', async () => {
    const folder = temporaryFolder();
    const fetches = new Fetches(folder);
    const samples = new Samples(shardsIn(folder, 5), null, fetches.fetch);
    samples.prefetch([3, 1, 4]);
    samples.prefetch([1, 0]);
    await fetches.end('none');
    expect(fetches.asked).toEqual(['shard3', 'shard1']);
    await fetches.end('shard1');
    expect(fetches.asked).toEqual(['shard3', 'shard1', 'shard4']);
    await fetches.end('shard3');
    await fetches.end('shard4');
    await fetches.end('shard0');
    samples.prefetch([0, 1, 3, 4]);
    await fetches.end('none');
    expect(fetches.asked).toEqual(['shard3', 'shard1', 'shard4', 'shard0']);
  });

  it('that cannot be had are asked for again by who needs them, and told to them', async () => {
    const folder = temporaryFolder();
    const fetches = new Fetches(folder);
    const samples = new Samples(shardsIn(folder, 2), null, fetches.fetch);
    samples.prefetch([1]);
    await fetches.end('none');
    await fetches.end('shard1', 'fail');
    const gathered = samples.gather(Uint32Array.of(3));
    const refused = expect(gathered).rejects.toThrow('shard1');
    await fetches.end('shard1', 'fail');
    await refused;
    samples.prefetch([1]);
    await fetches.end('none');
    expect(fetches.asked).toEqual(['shard1', 'shard1', 'shard1']);
  });

  it('do not hold up those that are needed, which are fetched at the same time', async () => {
    const folder = temporaryFolder();
    const fetches = new Fetches(folder);
    const samples = new Samples(shardsIn(folder, 5), null, fetches.fetch);
    samples.prefetch([0, 1, 2]);
    const gathered = samples.gather(Uint32Array.of(9, 6, 8, 7));
    await fetches.end('none');
    expect([...fetches.asked].sort()).toEqual(['shard0', 'shard1', 'shard3', 'shard4']);
    await fetches.end('shard4');
    await fetches.end('shard3');
    const { inputs, labels } = await gathered;
    expect([[...inputs], [...labels]]).toEqual([
      [9, 6, 8, 7],
      [4, 3, 4, 3],
    ]);
  });
});

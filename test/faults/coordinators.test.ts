/**
 * Coordinators that die with all their workers, come twice, on a copied folder, or find their newest snapshot damaged.
 */
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commitsOf, journalOf, soon } from '../../bench/programs.js';
import { type Place, scratchFolder, startCoordinator, startWorker, urlOf } from '../e2e/processes.js';
import { BarsRuns, expectDone } from './bars-run.js';

const scratch = scratchFolder();
const runs = new BarsRuns(scratch.path);
beforeAll(() => runs.runUndisturbed());
afterAll(() => scratch.remove());

/** A run that has come to its tenth step or later, and whose coordinator has then been killed. */
async function killedInTheMiddle(
  place: Place,
  workers: number,
): Promise<{ url: string; port: number; workers: ReturnType<typeof startWorker>[] }> {
  const coordinator = startCoordinator(place, { expect: workers, environment: { STILLHOUSE_FAULT: 'after-fsync@10' } });
  const url = await urlOf(coordinator);
  const started = Array.from({ length: workers }, (_, i) => startWorker(place, `w${i}`, url));
  expect((await coordinator.ended).stderr).toContain('fault: after-fsync');
  return { url, port: Number(new URL(url).port), workers: started };
}

describe('a run whose coordinator and workers are all killed', () => {
  it('goes on in the middle of its epoch with another number of new workers', async () => {
    const place = runs.placeOf('all killed');
    const { workers } = await killedInTheMiddle(place, 2);
    for (const worker of workers) worker.child.kill('SIGKILL');
    const again = startCoordinator(place, { expect: 3 });
    const url = await urlOf(again);
    await expectDone(again, ...['a', 'b', 'c'].map((name) => startWorker(place, name, url)));
    expect(again.stderr).toMatch(/continuing .* at step 9 of 30/);
    await runs.expectUndisturbed(place);
  });

  it('passes over a newest snapshot that is damaged, and says so', async () => {
    const place = runs.placeOf('damaged snapshot');
    const { workers } = await killedInTheMiddle(place, 1);
    for (const worker of workers) worker.child.kill('SIGKILL');
    const folder = join(place.out, 'snapshots');
    const newest = readdirSync(folder).find((name) => /^7-.*\.state$/.test(name));
    expect(newest).toBeDefined();
    const path = join(folder, newest ?? '');
    const bytes = readFileSync(path);
    bytes[1000] = (bytes[1000] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    const again = startCoordinator(place);
    await expectDone(again, startWorker(place, 'new', await urlOf(again)));
    expect(again.stderr).toMatch(/warning: .*is damaged and is passed over/);
    await runs.expectUndisturbed(place);
  });
});

describe('a coordinator that is killed in the middle of an audit', () => {
  it('asks for both answers anew when it is started again, and accuses nobody', async () => {
    const audited = new BarsRuns(scratch.path, 'wasm', 'audit: 1\n');
    await audited.runUndisturbed();
    const place = audited.placeOf('killed in an audit');
    // An offer has come, of a block of which the other worker's is still wanted, or is the second.
    const first = startCoordinator(place, { expect: 2, environment: { STILLHOUSE_FAULT: 'computing@21' } });
    const url = await urlOf(first);
    const workers = [startWorker(place, 'w0', url), startWorker(place, 'w1', url)];
    expect((await first.ended).stderr).toContain('fault: computing');
    const second = startCoordinator(place, { port: Number(new URL(url).port), expect: 2 });
    await expectDone(second, ...workers);
    await audited.expectUndisturbed(place);
    expect(second.stderr).toMatch(/continuing .* at step \d+/);
    expect(journalOf(place.out).filter(({ type }) => type === 'audit')).toEqual([]);
    // Each block was computed by both.
    const { leases } = JSON.parse(readFileSync(join(place.out, 'summary.json'), 'utf8')) as {
      leases: { granted: number; repeated: number };
    };
    expect(leases.repeated).toBeGreaterThan(leases.granted / 4);
  });
});

describe('a second coordinator', () => {
  it('is refused on the same folder while the first one lives', async () => {
    const place = runs.placeOf('same folder');
    const first = startCoordinator(place);
    const url = await urlOf(first);
    const { code, stderr } = await startCoordinator(place).ended;
    expect([code, stderr]).toEqual([69, expect.stringContaining('another coordinator is at work on this run folder')]);
    await expectDone(first, startWorker(place, 'w0', url));
    await runs.expectUndisturbed(place);
  });

  it('on an old copy of the folder commits nothing with workers that have seen more', async () => {
    const place = runs.placeOf('copied folder');
    const {
      port,
      workers: [worker],
    } = await killedInTheMiddle(place, 1);
    const copy = { ...place, out: `${place.out}-copy` };
    cpSync(place.out, copy.out, { recursive: true });
    const newest = startCoordinator(place, { port });
    while (commitsOf(place.out).length < 15) await soon(2);
    newest.child.kill('SIGKILL');
    await newest.ended;
    const atCopy = commitsOf(copy.out).length;
    const stale = startCoordinator(copy, { port });
    // Its generation has the number of the one that the worker follows, and another nonce.
    await worker?.says(/copied run folder/);
    expect(commitsOf(copy.out)).toHaveLength(atCopy);
    stale.child.kill('SIGKILL');
    await stale.ended;
    const again = startCoordinator(place, { port });
    await expectDone(again, ...(worker === undefined ? [] : [worker]));
    await runs.expectUndisturbed(place);
  });
});

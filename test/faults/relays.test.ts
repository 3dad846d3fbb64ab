/** Relays and the workers below them, in real processes, some of which are killed in the middle of the run. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { faultPoints, type FaultPoint } from '../../shared/fault-points.js';
import { commitsOf, soon } from '../../bench/programs.js';
import { onSocket, scratchFolder, startCoordinator, startRelay, startWorker, urlOf } from '../e2e/processes.js';
import { BarsRuns, expectDone } from './bars-run.js';

const scratch = scratchFolder();
const runs = new BarsRuns(scratch.path);
beforeAll(() => runs.runUndisturbed());
afterAll(() => scratch.remove());

async function atStep(out: string, step: number): Promise<void> {
  while (commitsOf(out).length < step) await soon(2);
}

describe('a run behind relays', () => {
  it('comes to the same bits, one relay below the other, and a worker that is killed', async () => {
    const place = runs.placeOf('stacked');
    const coordinator = startCoordinator(place);
    const upper = startRelay(place, 'upper', [await urlOf(coordinator)]);
    const lower = startRelay(place, 'lower', [await urlOf(upper)], ['--memory-folder', 'none']);
    const workers = [await urlOf(lower), await urlOf(lower), await urlOf(upper)].map((url, i) =>
      startWorker(place, `w${i}`, url),
    );
    await atStep(place.out, 4);
    workers[0]?.child.kill('SIGKILL');
    await expectDone(coordinator, upper, lower, ...workers.slice(1));
    expect(lower.stderr).toMatch(/left: connection lost/);
    await runs.expectUndisturbed(place);
  });

  it('goes on when a relay is killed: its workers go to another, and to the coordinator', async () => {
    const place = runs.placeOf('relays killed');
    const coordinator = startCoordinator(place);
    const url = await urlOf(coordinator);
    const [one, two] = [startRelay(place, 'one', [url]), startRelay(place, 'two', [url])];
    const urls = [await urlOf(one), await urlOf(two), url];
    const workers = ['w0', 'w1'].map((name) => startWorker(place, name, urls));
    await atStep(place.out, 4);
    one.child.kill('SIGKILL');
    await Promise.all(workers.map((worker) => worker.says(/connection lost[^]*trying ws:/)));
    await atStep(place.out, 10);
    two.child.kill('SIGKILL');
    await expectDone(coordinator, ...workers);
    await runs.expectUndisturbed(place);
  });
});

/** How often a relay passes the point before it dies there: in the middle of the run where it is passed often. */
const passes: Record<FaultPoint, number> = {
  idle: 1,
  leased: 9,
  computing: 20,
  'first-chunk': 9,
  'all-chunks': 5,
  'before-fsync': 6,
  'after-fsync': 11,
  'partial-release': 6,
  'before-acknowledgement': 6,
  snapshot: 1,
};

describe.each(faultPoints)('a relay killed at the phase: %s', (point) => {
  it('costs no sample and changes no bit; its workers go on elsewhere, and its next start clears up after it', async () => {
    const place = runs.placeOf(`relay-${point}`);
    const coordinator = startCoordinator(place, { flags: onSocket });
    const url = await urlOf(coordinator);
    const fault = { STILLHOUSE_FAULT: `${point}@${passes[point]}` };
    const victim = startRelay(place, 'victim', [url], onSocket, fault);
    const urls = [await urlOf(victim), url];
    const workers = ['w0', 'w1'].map((name) => startWorker(place, name, urls, {}, undefined, onSocket));
    const { code, stderr } = await victim.ended;
    expect(stderr).toContain(`fault: ${point}`);
    expect(code).toBeNull();
    const next = startRelay(place, 'victim', [url], onSocket);
    await expectDone(coordinator, next, ...workers);
    const left = join(place.caches, 'victim', 'relays');
    expect(existsSync(left) ? readdirSync(left) : []).toEqual([]);
    await runs.expectUndisturbed(place);
  });
});

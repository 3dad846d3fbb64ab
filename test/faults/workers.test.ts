/** Workers that leave in good order, down to none and up again, and a coordinator that is frozen, in real processes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commitsOf, soon } from '../../bench/programs.js';
import { scratchFolder, startCoordinator, startWorker, urlOf } from '../e2e/processes.js';
import { BarsRuns, expectDone } from './bars-run.js';

const scratch = scratchFolder();
const runs = new BarsRuns(scratch.path);
beforeAll(() => runs.runUndisturbed());
afterAll(() => scratch.remove());

async function atStep(out: string, step: number): Promise<void> {
  while (commitsOf(out).length < step) await soon(2);
}

describe('a worker that is told to leave', () => {
  it('hands its leases back and ends with 75, and no bit changes', async () => {
    const place = runs.placeOf('one leaves');
    const coordinator = startCoordinator(place, { expect: 2 });
    const url = await urlOf(coordinator);
    const [leaving, other] = [startWorker(place, 'leaving', url), startWorker(place, 'other', url)];
    await atStep(place.out, 4);
    leaving.child.kill('SIGTERM');
    expect((await leaving.ended).code).toBe(75);
    await expectDone(coordinator, other);
    expect(coordinator.stderr).toMatch(/w\d left: stopped \(SIGTERM\)(; its \d* ?leases? (is|are) open again)?\n/);
    expect(coordinator.stderr).not.toMatch(/silent|late/);
    await runs.expectUndisturbed(place);
  });

  it('may be the last: the run says that it waits, commits nothing, and goes on with one that joins', async () => {
    const place = runs.placeOf('all leave');
    const coordinator = startCoordinator(place, { expect: 2 });
    const url = await urlOf(coordinator);
    const workers = ['w0', 'w1'].map((name) => startWorker(place, name, url));
    await atStep(place.out, 4);
    for (const worker of workers) worker.child.kill('SIGTERM');
    await coordinator.says(/left: stopped[^]*left: stopped[^]*waiting: no worker is ready/);
    const waiting = commitsOf(place.out).length;
    await soon(1000);
    expect(commitsOf(place.out).length).toBe(waiting);
    expect(waiting).toBeLessThan(30);
    await expectDone(coordinator, startWorker(place, 'late', url));
    await runs.expectUndisturbed(place);
  });
});

describe('a coordinator that is frozen', () => {
  it('is left by its workers, which take nobody else for it and come back when it thaws', async () => {
    const place = runs.placeOf('frozen coordinator');
    const coordinator = startCoordinator(place, { expect: 2 });
    const url = await urlOf(coordinator);
    const workers = ['w0', 'w1'].map((name) => startWorker(place, name, url));
    await atStep(place.out, 4);
    coordinator.child.kill('SIGSTOP');
    await Promise.all(workers.map((worker) => worker.says(/connection lost \(1006\); trying again/)));
    coordinator.child.kill('SIGCONT');
    await expectDone(coordinator, ...workers);
    await runs.expectUndisturbed(place);
  });
});

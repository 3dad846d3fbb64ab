/** A coordinator that a scheduler stops, kills and starts again, in real processes: its workers stay, and end with its run. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commitsOf, soon, type Program } from '../../bench/programs.js';
import { scratchFolder, startCoordinator, startWorker, urlOf, type Place } from '../e2e/processes.js';
import { BarsRuns, expectDone } from './bars-run.js';

const scratch = scratchFolder();
const runs = new BarsRuns(scratch.path);
beforeAll(() => runs.runUndisturbed());
afterAll(() => scratch.remove());

/** Starts a coordinator where the one before was, as a scheduler does it. */
const startAgain = (place: Place, url: string): Program =>
  startCoordinator(place, { port: Number(new URL(url).port), flags: ['--once'] });

describe('a coordinator that a scheduler stops', () => {
  it.each(['SIGTERM', 'SIGUSR1'] as const)('by %s keeps its workers for its next start', async (signal) => {
    const place = runs.placeOf(`stopped by ${signal}`);
    const first = startCoordinator(place, { expect: 2 });
    const url = await urlOf(first);
    const workers = ['w0', 'w1'].map((name) => startWorker(place, name, url));
    while (commitsOf(place.out).length < 4) await soon(2);
    first.child.kill(signal);
    expect((await first.ended).code).toBe(75);
    for (const worker of workers)
      await worker.says(
        new RegExp(
          `connection lost: the coordinator was stopped \\(${signal}\\), and the run goes on when it is started`,
        ),
      );
    await expectDone(startAgain(place, url), ...workers);
    await runs.expectUndisturbed(place);
  });

  it('by SIGINT ends them, as its user does who sits before it', async () => {
    const place = runs.placeOf('stopped by SIGINT');
    const coordinator = startCoordinator(place);
    const worker = startWorker(place, 'w0', await urlOf(coordinator));
    while (commitsOf(place.out).length < 4) await soon(2);
    coordinator.child.kill('SIGINT');
    expect([(await coordinator.ended).code, (await worker.ended).code]).toEqual([75, 75]);
    expect(worker.stderr).toContain('the run has stopped: SIGINT');
  });
});

describe('a coordinator that is killed when its results are written', () => {
  it('is told of its run by the next start, which computes nothing and lets the workers go', async () => {
    const place = runs.placeOf('killed at the end');
    const first = startCoordinator(place, { expect: 2, environment: { STILLHOUSE_FAULT: 'results' } });
    const url = await urlOf(first);
    const workers = ['w0', 'w1'].map((name) => startWorker(place, name, url));
    expect((await first.ended).code).toBeNull();
    const before = commitsOf(place.out);
    const again = startAgain(place, url);
    await expectDone(again, ...workers);
    const { stdout, stderr } = await again.ended;
    expect(stderr).toMatch(/is finished in .*: nothing is computed again/);
    expect(stdout).toMatch(/student.*\n[^]*30 steps, /);
    expect(commitsOf(place.out)).toEqual(before);
    await runs.expectUndisturbed(place);
  });
});

/**
 * Memory that does not keep what was written to it, in real processes: a replica that changes is found before anything
 * is made of it, started again from what is sound, and given up where it happens again and again.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { journalOf } from '../../bench/programs.js';
import { scratchFolder, startCoordinator, startWorker, urlOf } from '../e2e/processes.js';
import { BarsRuns, expectDone } from './bars-run.js';

const scratch = scratchFolder();
const runs = new BarsRuns(scratch.path);
beforeAll(() => runs.runUndisturbed());
afterAll(() => scratch.remove());

describe('a worker whose replica changes', () => {
  it('once is named, starts again from a snapshot, and no bit of the run changes', async () => {
    const place = runs.placeOf('worker flips once');
    const coordinator = startCoordinator(place, { expect: 2 });
    const url = await urlOf(coordinator);
    const flipping = startWorker(place, 'flipping', url, { STILLHOUSE_FAULT: 'flip@6' });
    await expectDone(coordinator, startWorker(place, 'beside', url), flipping);
    expect(flipping.stderr).toMatch(/fault: flip[^]*replica dropped: its state after 6 steps is/);
    expect(coordinator.stderr).toMatch(
      /w\d \(.*\) starts again from a snapshot: its state after 6 steps is \w{16}, the run's \w{16}/,
    );
    await runs.expectUndisturbed(place);
  });

  it('with every commit is turned away the third time, with 77, and no bit of the run changes', async () => {
    const place = runs.placeOf('worker flips always');
    const coordinator = startCoordinator(place);
    const url = await urlOf(coordinator);
    const flipping = startWorker(place, 'flipping', url, { STILLHOUSE_FAULT: 'flip@2+' });
    // Alone until it is turned away: with another beside it the run may be over before.
    const { code, stderr } = await flipping.ended;
    expect([code, stderr]).toEqual([
      77,
      expect.stringMatching(/the coordinator refused this worker: its state after \d+ steps? is/),
    ]);
    expect(stderr.match(/fault: flip/g)?.length).toBeGreaterThanOrEqual(3);
    expect(coordinator.stderr).toMatch(
      /is turned away: its state after \d+ steps? is \w{16}, the run's \w{16}, 3 times by now/,
    );
    await expectDone(coordinator, startWorker(place, 'after it', url));
    await runs.expectUndisturbed(place);
  });
});

describe('a coordinator whose replica changes', () => {
  it('once rebuilds it from snapshot and log, takes its workers back, and no bit of the run changes', async () => {
    const place = runs.placeOf('coordinator flips once');
    const coordinator = startCoordinator(place, { expect: 2, environment: { STILLHOUSE_FAULT: 'flip@10' } });
    const url = await urlOf(coordinator);
    const workers = ['w0', 'w1'].map((name) => startWorker(place, name, url));
    await expectDone(coordinator, ...workers);
    expect(coordinator.stderr).toMatch(
      /fault: flip[^]*own replica has changed in memory: its state after 10 steps is .* it is rebuilt from snapshot and log[^]*continuing .* at step 10 of 30/,
    );
    expect(journalOf(place.out).filter((line) => line.type === 'generation')).toHaveLength(2);
    await runs.expectUndisturbed(place);
  });

  it('again and again gives up with 69 and commits nothing of it', async () => {
    const place = runs.placeOf('coordinator flips always');
    const coordinator = startCoordinator(place, { environment: { STILLHOUSE_FAULT: 'flip@10+' } });
    const worker = startWorker(place, 'w0', await urlOf(coordinator));
    const { code, stderr } = await coordinator.ended;
    expect([code, stderr]).toEqual([
      69,
      expect.stringMatching(
        /it was rebuilt 3 times: trust another machine's memory, the run is safe up to its last journalled step\n$/,
      ),
    ]);
    const again = startCoordinator(place, { port: Number(new URL(await urlOf(coordinator)).port) });
    await expectDone(again, worker);
    await runs.expectUndisturbed(place);
  });
});

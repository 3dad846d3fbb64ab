/** The bits of a run through relays are those of a run without them. */
import { describe, expect, it } from 'vitest';
import { tinyRun } from '../coordinator/tiny-run.js';
import { expectSame, startCoordinator, startRelay, startWorker, whole } from './rig.js';

const students = [
  ['small', tinyRun({ samples: 90, epochs: 2, recipe: { batch: { size: 24, micro: 2 } } })],
  ['big', tinyRun({ samples: 12, epochs: 1, units: 20_000 })],
] as const;

describe.each(students)('a run with a %s student', (_case, run) => {
  const { classes } = run.manifest;

  it('comes to the same bits through one relay with two workers', async () => {
    const oracle = await whole(run);
    const coordinator = await startCoordinator(run);
    const relay = await startRelay(coordinator.url);
    const workers = [1, 2].map((pauseEvery) => startWorker({ urls: [relay.url], pauseEvery, classes }));
    await expectSame(coordinator, oracle);
    expect(await Promise.all([relay.exit, ...workers.map(({ exit }) => exit)])).toEqual([0, 0, 0]);
    expect(coordinator.said.join('\n')).not.toMatch(/silent|late|differs/);
    expect(workers.map(({ compute }) => compute.events.length > 0)).toEqual([true, true]);
  });
});

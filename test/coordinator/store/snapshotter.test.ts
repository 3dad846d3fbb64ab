import { describe, expect, it } from 'vitest';
import type { RunPosition, StateSource } from '../../../coordinator/store/snapshots.js';
import { Snapshotter, type SnapshotterOptions } from '../../../coordinator/store/snapshotter.js';
import { planReplica } from '../../../shared/replica/plan.js';
import { Replica } from '../../../shared/replica/replica.js';
import { tinyRun } from '../tiny-run.js';

const run = tinyRun();
const replica = new Replica(planReplica(run.student, run.recipe.optimizer), { slots: 1 });

interface Rig {
  readonly snapshotter: Snapshotter;
  readonly log: { sizeBytes: number; isDurable: boolean };
  /** Steps of the snapshots, and from where on the log was kept after each. */
  readonly taken: number[];
  readonly dropped: number[];
  readonly clock: { ms: number };
}

function rigOf(options: Partial<SnapshotterOptions>): Rig {
  const [taken, dropped]: [number[], number[]] = [[], []];
  const clock = { ms: 0 };
  const log = {
    isDurable: true,
    sizeBytes: 0,
    rotate: () => undefined,
    dropBefore: async (step: number) => void dropped.push(step),
  };
  const write = async (
    _state: StateSource,
    position: RunPosition,
  ): ReturnType<SnapshotterOptions['snapshots']['write']> => {
    taken.push(position.step);
    return { ...position, sha256: '', bytes: 0, path: '' };
  };
  const snapshots = { newest: undefined, oldestStep: 3, write };
  const snapshotter = new Snapshotter({
    replica,
    log,
    snapshots,
    everySteps: Infinity,
    everySeconds: Infinity,
    nowMs: () => clock.ms,
    onError: (error) => {
      throw error;
    },
    ...options,
  });
  return { snapshotter, log, taken, dropped, clock };
}

async function after(step: number, { snapshotter }: Rig): Promise<void> {
  snapshotter.consider({
    step,
    update: step,
    unit: step,
    epoch: 0,
    stateHash: replica.hashState(),
    recipeDigest: '',
    journal: '',
  });
  await snapshotter.idle();
}

describe('a snapshot is taken', () => {
  it('every so many steps, and the log before the oldest that is kept deleted', async () => {
    const rig = rigOf({ everySteps: 3 });
    for (let step = 1; step <= 7; step++) await after(step, rig);
    expect([rig.taken, rig.dropped]).toEqual([
      [3, 6],
      [3, 3],
    ]);
  });

  it('every so many seconds', async () => {
    const rig = rigOf({ everySeconds: 10 });
    for (let step = 1; step <= 6; step++) {
      rig.clock.ms += 4000;
      await after(step, rig);
    }
    expect(rig.taken).toEqual([3, 6]);
  });

  it('when the log has grown past its bound since the last one', async () => {
    const rig = rigOf({ logBytes: 1000 });
    for (let step = 1; step <= 6; step++) {
      rig.log.sizeBytes += 400;
      await after(step, rig);
    }
    expect(rig.taken).toEqual([3, 6]);
  });

  it('whatever is kept in memory for those who follow', async () => {
    const rig = rigOf({ logBytes: 1000, everySteps: 5 });
    rig.log.isDurable = false;
    for (let step = 1; step <= 6; step++) {
      rig.log.sizeBytes += 400;
      await after(step, rig);
    }
    expect(rig.taken).toEqual([5]);
  });

  it('when it is asked for, once for all who asked, and told of when it is on the disk', async () => {
    const rig = rigOf({});
    const told: number[] = [];
    await after(1, rig);
    for (let times = 0; times < 2; times++) rig.snapshotter.want((step) => told.push(step));
    expect(told).toEqual([]);
    await after(2, rig);
    await after(3, rig);
    expect([rig.taken, told]).toEqual([[2], [2, 2]]);
    // Of the state that the newest holds no second one is taken.
    rig.snapshotter.want((step) => told.push(step));
    await after(2, rig);
    expect([rig.taken, told]).toEqual([[2], [2, 2, 2]]);
  });
});

import { describe, expect, it } from 'vitest';
import { Core } from '../../../coordinator/decide/decide.js';
import type { Unit } from '../../../coordinator/decide/types.js';

const unit: Unit = { kind: 'train', step: 0, epoch: 0, from: 0, to: 8, microBatches: 2 };

function coreOf(firstLeaseMs: number): Core {
  return new Core({
    ...{ unitAt: (index) => (index === 0 ? unit : undefined), firstUnit: 0, stateHash: 's0', skips: 0 },
    ...{ slots: 8, contributionBytes: 100, silenceMs: 1e9, firstLeaseMs },
  });
}

describe('the standing of workers', () => {
  it('tells who catches up, who computes what, and when each was heard', () => {
    const core = coreOf(1000);
    core.handle({ type: 'join', worker: 'w1', nowMs: 5 });
    core.handle({ type: 'join', worker: 'w2', nowMs: 6 });
    core.handle({ type: 'ready', worker: 'w1', step: 0, stateHash: 's0', nowMs: 10 });
    expect(core.standing).toEqual({
      workers: [
        { worker: 'w1', state: 'computing', lease: 'micro-batches 0..1 of step 0', heardMs: 10, microBatchMs: null },
        { worker: 'w2', state: 'joining', lease: null, heardMs: 6, microBatchMs: null },
      ],
      unit: {
        name: 'step 0',
        microBatches: 2,
        blocks: [{ from: 0, to: 2, worker: 'w1', state: 'computing' }],
      },
      lateTimes: 0,
    });
    core.handle({ type: 'leave', worker: 'w1', reason: 'done', nowMs: 20 });
    expect(core.standing.workers.map(({ worker }) => worker)).toEqual(['w2']);
    expect(core.standing.unit).toMatchObject({ blocks: [] });
  });

  it('counts each time that a worker is late with a block', () => {
    const core = coreOf(100);
    core.handle({ type: 'join', worker: 'w1', nowMs: 0 });
    core.handle({ type: 'ready', worker: 'w1', step: 0, stateHash: 's0', nowMs: 0 });
    core.handle({ type: 'tick', nowMs: 99 });
    expect(core.standing.lateTimes).toBe(0);
    core.handle({ type: 'tick', nowMs: 100 });
    core.handle({ type: 'tick', nowMs: 101 });
    expect(core.standing.lateTimes).toBe(1);
  });
});

import { describe, expect, it } from 'vitest';
import { maximumBytes } from '../../../shared/replica/kernels/memory.js';
import { planReplica } from '../../../shared/replica/plan.js';
import { coordinatorSlots, replicaBytes, workerSlots } from '../../../shared/replica/slot-counts.js';
import { optimizerOf, studentOf, weightOf } from './student.js';

/** The plan of a student with so many weights in one tensor. Nothing is allocated for it. */
const planOf = (weights: number, optimizer: Record<string, unknown> = { name: 'sgd', learningRate: 0.1 }) =>
  planReplica(studentOf([weightOf('dense/kernel', [weights])]), optimizerOf(optimizer));
const adam = { name: 'adam', learningRate: 0.1 };

describe('the slots of a replica', () => {
  it('are many at the coordinator of a small student, and none of them for commits on their way', () => {
    expect(coordinatorSlots(planOf(1000), { size: 128, micro: 16 })).toEqual({ contributions: 20, buffers: 20 });
  });

  it('are those of the prefix, two for early contributions and two for commits where memory is no matter', () => {
    expect(coordinatorSlots(planOf(10_000_000), { size: 128, micro: 16 })).toEqual({ contributions: 6, buffers: 8 });
    expect(workerSlots(planOf(10_000_000), { size: 128, micro: 16 })).toBe(6);
  });

  it('are fewer where one memory holds no more: first without early ones, then with one for commits', () => {
    const batch = { size: 128, micro: 16 };
    for (const [weights, expected] of [
      [100_000_000, { contributions: 5, buffers: 7 }],
      [115_000_000, { contributions: 4, buffers: 6 }],
      [130_000_000, { contributions: 4, buffers: 5 }],
    ] as const) {
      const plan = planOf(weights, adam);
      const slots = coordinatorSlots(plan, batch);
      expect(slots).toEqual(expected);
      expect(replicaBytes(plan, slots.buffers)).toBeLessThanOrEqual(maximumBytes);
      expect(replicaBytes(plan, workerSlots(plan, batch))).toBeLessThanOrEqual(maximumBytes);
    }
  });

  it('are refused by name where a step needs more than one memory holds', () => {
    const plan = planOf(180_000_000, adam);
    const wish =
      /^student: 2160000000 bytes of state and 5 gradients, for 8 micro-batches a step, need 57\d+ bytes; a replica holds at most 4294901760; fewer micro-batches a step \(batch\.micro above 16\)/;
    expect(() => coordinatorSlots(plan, { size: 128, micro: 16 })).toThrow(wish);
    expect(() => workerSlots(plan, { size: 128, micro: 16 })).toThrow(/5 gradients/);
    expect(coordinatorSlots(plan, { size: 128 })).toEqual({ contributions: 1, buffers: 2 });
    expect(workerSlots(plan, { size: 128 })).toBe(2);
  });
});

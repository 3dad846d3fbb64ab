/** Replicas of the small student with norms, and commits for them. */
import type { CommitScalars } from '../../../shared/protocol/messages.js';
import { randomStream } from '../../../shared/random.js';
import { commitScalars } from '../../../shared/replica/optimizer/scalars.js';
import { planReplica, type ReplicaPlan } from '../../../shared/replica/plan.js';
import { Replica } from '../../../shared/replica/replica.js';
import { normStudent, optimizerOf } from './student.js';

export function valuesFor(plan: ReplicaPlan, seed = 1): Map<string, Float32Array> {
  const stream = randomStream([seed, 'weights']);
  return new Map(
    plan.tensors.map(({ spec, size }) => [spec.name, Float32Array.from({ length: size }, () => stream.float() - 0.5)]),
  );
}

export function newReplica(fields: Record<string, unknown> = {}, slots = 3): Replica {
  const plan = planReplica(normStudent, optimizerOf({ name: 'adam', learningRate: 0.1, ...fields }));
  const replica = new Replica(plan, { slots });
  replica.loadWeights(valuesFor(plan));
  return replica;
}

/** Fills the slot's gradient tensor by tensor; padding stays zero. */
export function fillSlot(replica: Replica, slot: number, seed: number): void {
  const stream = randomStream([seed, 'gradient']);
  const gradient = replica.slot(slot);
  for (const { offset, size } of replica.plan.trained)
    for (let i = 0; i < size; i++) gradient[offset + i] = stream.float() - 0.5;
}

export function scalarsOf(replica: Replica, update: number, slot = 0): CommitScalars {
  const position = { update, step: update - 1, totalSteps: 100, gradientSquares: replica.slotSquares(slot) };
  return commitScalars(replica.plan, position);
}

/** Pooled over 4 values of a channel in the first norm layer, 8 in the second. */
export const moments = { counts: [4, 8], values: Float64Array.of(1, 2, 3, 8, 12, 16, 1, 1, 1, 1, 1, 4, 4, 4, 4, 4) };

/**
 * What a replica holds and where it all lies in its one shared WebAssembly.Memory, derived from the student's weights,
 * the optimizer and the compression alone, so that coordinator and workers agree without talking.
 *
 *   state (one contiguous region, hashed and snapshot as a whole)            scratch
 *   [ weights | moment 1 | moment 2 | ema | frozen | moving ]                [ statistics | slot 0 | slot 1 | ... ]
 *
 * All are float32; every tensor and every region starts on a 16-byte boundary, and the padding between tensors is zero,
 * in weights and gradients alike. A slot holds one contribution (reduction/contribution.ts), its gradient as it
 * travels. layout.ts turns the plan into byte offsets.
 */
import type { Compression } from '../compression.js';
import { exitCodes, UserError } from '../errors.js';
import type { StudentSpec } from '../models/student-spec.js';
import { checkOptimizer } from '../recipe/check-optimizer.js';
import type { OptimizerRecipe } from '../recipe/schema.js';
import { maximumBytes } from './kernels/memory.js';
import { assignGroups, type GroupPlan } from './optimizer/groups.js';
import type { UpdateRange } from './optimizer/update.js';
import { normLayers, padded, placeTensors, regionFloats, type NormLayer, type TensorPlace } from './places.js';

/** Where a trained weight lies. */
export interface ParameterRange extends TensorPlace {
  /** Index of its parameter group (optimizer.groups; equal factors share a group). */
  readonly group: number;
}

/** What a replica holds, in which order and of which sizes. */
export interface ReplicaPlan {
  readonly optimizer: OptimizerRecipe;
  /** How this run's gradients are rounded. */
  readonly compression: Compression;
  /** Weights that have a gradient, in the order of the topology. */
  readonly trained: readonly ParameterRange[];
  readonly norms: readonly NormLayer[];
  readonly groups: readonly GroupPlan[];
  /** What the optimizer moves: trained weights of groups that are not frozen. */
  readonly updates: readonly UpdateRange[];
  /** All weights, in the order of the topology. */
  readonly tensors: readonly TensorPlace[];
  /** Floats in the weights region, which is as large as one gradient, padding included. */
  readonly gradientFloats: number;
  readonly frozenFloats: number;
  readonly movingFloats: number;
  /** Optimizer moments: 0, 1 or 2 regions of gradientFloats. */
  readonly moments: number;
  /** Whether an exponential moving average of the weights is kept, in a region of gradientFloats. */
  readonly hasEma: boolean;
  /** Bytes of the state region. */
  readonly stateBytes: number;
}

/**
 * The plan of a student's replicas.
 *
 * @throws UserError 2 when the optimizer's options do not fit together or a pattern of theirs matches no weight, 65
 * when a batch-norm layer is incomplete, nothing is left to train, or one memory cannot hold state and two gradients
 */
export function planReplica(
  student: StudentSpec,
  optimizer: OptimizerRecipe,
  compression: Compression = 'none',
): ReplicaPlan {
  checkOptimizer(optimizer);
  const { groups, groupOf } = assignGroups(student.weights, optimizer);
  const tensors = placeTensors(student.weights);
  const trained = tensors
    .filter(({ region }) => region === 'weights')
    .map((place) => ({ ...place, group: groupOf(place.spec) }));
  const plan = {
    optimizer,
    compression,
    trained,
    norms: normLayers(tensors),
    groups,
    updates: updateRanges(trained, groups),
    tensors,
    gradientFloats: regionFloats(tensors, 'weights'),
    frozenFloats: regionFloats(tensors, 'frozen'),
    movingFloats: regionFloats(tensors, 'moving'),
    moments: momentCount(optimizer),
    hasEma: optimizer.ema > 0,
  };
  return checkSize({ ...plan, stateBytes: 4 * stateFloats(plan) });
}

/** Neighbours of one group become one range, so that a kernel call updates as much as possible. */
function updateRanges(trained: readonly ParameterRange[], groups: readonly GroupPlan[]): UpdateRange[] {
  const merged: UpdateRange[] = [];
  for (const { group, offset, size } of trained) {
    if (groups[group]?.frozen === true) continue;
    const last = merged.at(-1);
    if (last?.group === group && last.offset + last.floats === offset) {
      merged[merged.length - 1] = { ...last, floats: last.floats + padded(size) };
    } else {
      merged.push({ group, offset, floats: padded(size) });
    }
  }
  return merged;
}

function momentCount(optimizer: OptimizerRecipe): number {
  if (optimizer.name !== 'sgd') return 2;
  return optimizer.momentum > 0 ? 1 : 0;
}

function stateFloats(plan: Omit<ReplicaPlan, 'stateBytes'>): number {
  return plan.gradientFloats * (1 + plan.moments + (plan.hasEma ? 1 : 0)) + plan.frozenFloats + plan.movingFloats;
}

/**
 * A student of so many weights, which may not be there yet, can be held: with two gradients they fit one memory.
 *
 * @param subject what has so many, for the message
 * @throws UserError 65 when it cannot
 */
export function expectHeld(weights: number, subject: string): void {
  const most = Math.floor(maximumBytes / 12);
  if (weights <= most) return;
  throw new UserError(`${subject} it has ${weights} weights; a replica holds at most ${most}`, exitCodes.data);
}

function checkSize(plan: ReplicaPlan): ReplicaPlan {
  if (plan.updates.length === 0) throw new UserError('student: no weights left to train', exitCodes.data);
  const leastBytes = plan.stateBytes + 4 * (plan.movingFloats + 2 * plan.gradientFloats);
  if (leastBytes > maximumBytes) {
    throw new UserError(
      `student needs at least ${leastBytes} bytes for state and two gradients; a replica holds at most ${maximumBytes}`,
      exitCodes.data,
    );
  }
  return plan;
}

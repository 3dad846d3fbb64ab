/**
 * Where everything of a replica lies in its one shared WebAssembly.Memory, derived from the student's weights and the
 * optimizer alone, so that coordinator and workers agree without talking.
 *
 *   state (one contiguous region, hashed and snapshot as a whole)            scratch
 *   [ weights | moment 1 | moment 2 | ema | frozen | moving ]                [ statistics | slot 0 | slot 1 | ... ]
 *
 * All are float32; every tensor and every region starts on a 16-byte boundary, and the padding between tensors is zero,
 * in weights and gradients alike. Trained weights come in the order of the topology; moving values per batch-norm
 * layer: mean then variance. A slot holds one contribution (reduction/contribution.ts), its gradient as it travels.
 */
import { exitCodes, UserError } from '../errors.js';
import { maximumBytes } from './kernels/kernels.js';
import { sizeOf, type StudentSpec, type WeightSpec } from '../models/student-spec.js';
import { assignGroups, type GroupPlan } from './optimizer/groups.js';
import type { UpdateRange } from './optimizer/update.js';
import { checkOptimizer } from '../recipe/check-optimizer.js';
import type { OptimizerRecipe } from '../recipe/schema.js';
import type { Compression } from '../compression.js';

export interface ParameterRange {
  readonly spec: WeightSpec;
  /** In floats, from the start of its region. */
  readonly offset: number;
  readonly size: number;
  /** Index of its parameter group (optimizer.groups; equal factors share a group). */
  readonly group: number;
}

export interface NormLayer {
  readonly layer: string;
  readonly momentum: number;
  readonly channels: number;
  /** In floats, from the start of the moving region. */
  readonly meanOffset: number;
  readonly varianceOffset: number;
}

/** One weight of the student and where it lies. */
export interface TensorPlace {
  readonly spec: WeightSpec;
  readonly region: 'weights' | 'frozen' | 'moving';
  readonly offset: number;
  readonly size: number;
}

export interface ReplicaPlan {
  readonly optimizer: OptimizerRecipe;
  /** How this run's gradients are rounded. */
  readonly compression: Compression;
  readonly trained: readonly ParameterRange[];
  readonly frozen: readonly ParameterRange[];
  readonly norms: readonly NormLayer[];
  readonly groups: readonly GroupPlan[];
  /** What the optimizer moves: groups that are not frozen. */
  readonly updates: readonly UpdateRange[];
  /** All weights, in the order of the topology. */
  readonly tensors: readonly TensorPlace[];
  /** Floats in the weights region (= in one gradient), padding included. */
  readonly gradientFloats: number;
  readonly frozenFloats: number;
  readonly movingFloats: number;
  /** Optimizer moments: 0, 1 or 2 regions of gradientFloats. */
  readonly moments: number;
  readonly hasEma: boolean;
  /** Bytes of the state region. */
  readonly stateBytes: number;
}

/** Floats of a tensor with its padding to 16 bytes. */
export function padded(floats: number): number {
  return Math.ceil(floats / 4) * 4;
}

/** @throws UserError when a pattern matches nothing, nothing is left to train, or one memory cannot hold it. */
export function planReplica(
  student: StudentSpec,
  optimizer: OptimizerRecipe,
  compression: Compression = 'none',
): ReplicaPlan {
  checkOptimizer(optimizer);
  const { groups, groupOf } = assignGroups(student.weights, optimizer);
  const tensors = placeTensors(student.weights);
  const ranges = (region: TensorPlace['region']): ParameterRange[] =>
    tensors
      .filter((tensor) => tensor.region === region)
      .map(({ spec, offset, size }) => ({ spec, offset, size, group: groupOf(spec) }));
  const trained = ranges('weights');
  const plan = {
    optimizer,
    compression,
    trained,
    frozen: ranges('frozen'),
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

function placeTensors(weights: readonly WeightSpec[]): TensorPlace[] {
  const ends = { weights: 0, frozen: 0, moving: 0 };
  const place = (spec: WeightSpec): TensorPlace => {
    const region = regionOf(spec);
    const size = sizeOf(spec.shape);
    const offset = ends[region];
    ends[region] += padded(size);
    return { spec, region, offset, size };
  };
  const moving = normOrder(weights).map(place);
  return weights.map((spec) => moving.find((tensor) => tensor.spec === spec) ?? place(spec));
}

function regionOf(spec: WeightSpec): TensorPlace['region'] {
  if (spec.kind === 'trained') return 'weights';
  return spec.kind === 'frozen' ? 'frozen' : 'moving';
}

/** The moving values by layer, in the order in which the layers first appear; each mean, then variance. */
function normOrder(weights: readonly WeightSpec[]): WeightSpec[] {
  const layers = new Set(weights.filter((spec) => regionOf(spec) === 'moving').map((spec) => spec.layer));
  const find = (layer: string, kind: WeightSpec['kind']): WeightSpec => {
    const found = weights.find((spec) => spec.layer === layer && spec.kind === kind);
    if (found === undefined)
      throw new UserError(`student layer ${layer}: batch norm without a moving ${kind}`, exitCodes.data);
    return found;
  };
  return [...layers].flatMap((layer) => [find(layer, 'mean'), find(layer, 'variance')]);
}

function normLayers(tensors: readonly TensorPlace[]): NormLayer[] {
  const variances = new Map(
    tensors.filter(({ spec }) => spec.kind === 'variance').map((place) => [place.spec.layer, place]),
  );
  return tensors
    .filter(({ spec }) => spec.kind === 'mean')
    .sort((a, b) => a.offset - b.offset)
    .map(({ spec, offset, size }) => ({
      layer: spec.layer,
      momentum: spec.momentum ?? 0.99,
      channels: size,
      meanOffset: offset,
      varianceOffset: variances.get(spec.layer)?.offset ?? 0,
    }));
}

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

/** The parts of the plan's update ranges that lie in [from, to), in floats of the weights region. */
export function updatesIn({ updates }: Pick<ReplicaPlan, 'updates'>, from: number, to: number): UpdateRange[] {
  return updates.flatMap(({ group, offset, floats }) => {
    const [start, end] = [Math.max(offset, from), Math.min(offset + floats, to)];
    return start < end ? [{ group, offset: start, floats: end - start }] : [];
  });
}

function regionFloats(tensors: readonly TensorPlace[], region: TensorPlace['region']): number {
  return tensors.reduce((sum, tensor) => (tensor.region === region ? sum + padded(tensor.size) : sum), 0);
}

function momentCount(optimizer: OptimizerRecipe): number {
  if (optimizer.name !== 'sgd') return 2;
  return optimizer.momentum > 0 ? 1 : 0;
}

function stateFloats(plan: Omit<ReplicaPlan, 'stateBytes'>): number {
  return plan.gradientFloats * (1 + plan.moments + (plan.hasEma ? 1 : 0)) + plan.frozenFloats + plan.movingFloats;
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

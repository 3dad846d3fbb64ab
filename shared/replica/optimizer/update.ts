/**
 * One optimizer update of a replica's weights by the kernels, range by range. It reads nothing but commit, plan and
 * state, and it makes no objects in the loop over ranges: what a commit needs is resolved once, before anything moves.
 * The formulas stand beside the kernels (kernels/assembly/optimizers.ts).
 */
import { must } from '../../must.js';
import type { CommitScalars } from '../../protocol/messages.js';
import type { OptimizerRecipe } from '../../recipe/schema.js';
import type { Kernels } from '../kernels/kernels.js';
import type { GroupPlan } from './groups.js';

/** All that an update needs to know of a replica's plan. */
export interface UpdatePlan {
  readonly optimizer: OptimizerRecipe;
  readonly groups: readonly GroupPlan[];
  /** Optimizer moments: 0, 1 or 2 regions as large as the weights'. */
  readonly moments: number;
  readonly hasEma: boolean;
}

/** Neighbouring parameters of one group, which one kernel call updates. */
export interface UpdateRange {
  /** Index of the parameter group. */
  readonly group: number;
  /** Where the range begins, in floats from the start of the weights region. */
  readonly offset: number;
  readonly floats: number;
}

/** What is updated, in which memory, and by which scalars. */
export interface UpdateTarget {
  readonly kernels: Kernels;
  /** Byte offsets of the replica's regions in the kernels' memory. */
  readonly layout: { readonly weights: number; readonly moments: readonly number[]; readonly ema: number };
  readonly scalars: CommitScalars;
}

/**
 * Updates some ranges of weights, moments and averaged weights.
 *
 * @param gradientAt byte offset of the reduced gradient, as if all of it lay there; the ranges' parts of it must
 */
export type UpdateRanges = (gradientAt: number, ranges: readonly UpdateRange[]) => void;

/** Updates one range that begins `at` bytes into its region and whose gradient lies at byte `g` of the memory. */
type UpdateOne = (range: UpdateRange, at: number, g: number) => void;

/**
 * The update that a commit makes.
 *
 * @throws Error when the commit lacks a scalar of a parameter group that moves
 */
export function updateOf(plan: UpdatePlan, target: UpdateTarget): UpdateRanges {
  const { kernels, layout, scalars } = target;
  const { optimizer, hasEma } = plan;
  const updateOne = optimizer.name === 'sgd' ? sgdUpdate(plan, target, optimizer.nesterov) : adamUpdate(plan, target);
  return (gradientAt, ranges) => {
    for (const range of ranges) {
      const at = 4 * range.offset;
      updateOne(range, at, gradientAt + at);
      if (hasEma) kernels.average(layout.ema + at, layout.weights + at, range.floats, scalars.ema);
    }
  };
}

function sgdUpdate(plan: UpdatePlan, { kernels, layout, scalars }: UpdateTarget, isNesterov: boolean): UpdateOne {
  const { weights, moments } = layout;
  const sgd = byGroup(plan, scalars, (scalar) => ({
    clip: scalars.clip,
    weightDecay: scalar('weightDecay'),
    learningRate: scalar('learningRate'),
  }));
  if (plan.moments === 0) {
    return ({ group, floats }, at, g) => kernels.sgd(weights + at, g, floats, must(sgd, group, 'scalars'));
  }
  const momentum = byGroup(plan, scalars, (scalar, group) => ({
    ...must(sgd, group, 'scalars'),
    momentum: scalar('momentum'),
  }));
  const kernel = isNesterov ? 'nesterov' : 'momentum';
  const m = momentAt(moments, 0);
  return ({ group, floats }, at, g) =>
    kernels[kernel](weights + at, g, m + at, floats, must(momentum, group, 'scalars'));
}

function adamUpdate(plan: UpdatePlan, { kernels, layout, scalars }: UpdateTarget): UpdateOne {
  const { weights, moments } = layout;
  const adam = byGroup(plan, scalars, (scalar) => ({
    clip: scalars.clip,
    weightDecay: scalar('weightDecay'),
    stepSize: scalar('stepSize'),
    keep: scalar('keep'),
    share1: scalar('share1'),
    beta2: scalar('beta2'),
    share2: scalar('share2'),
    inverseRoot: scalar('inverseRoot'),
    epsilon: scalar('epsilon'),
  }));
  const [m, v] = [momentAt(moments, 0), momentAt(moments, 1)];
  return ({ group, floats }, at, g) =>
    kernels.adam(weights + at, g, m + at, v + at, floats, must(adam, group, 'scalars'));
}

/** Makes what a kernel takes, once for each parameter group that moves, by the group's index. */
function byGroup<T>(
  { groups }: UpdatePlan,
  scalars: CommitScalars,
  read: (scalar: (name: string) => number, group: number) => T,
): ReadonlyMap<number, T> {
  const scalarOf = (group: number) => (name: string) => {
    const value = scalars.groups[group]?.[name];
    if (value === undefined) throw new Error(`commit without ${name} for parameter group ${group}`);
    return value;
  };
  return new Map(
    groups.flatMap(({ frozen }, group) => (frozen ? [] : [[group, read(scalarOf(group), group)] as const])),
  );
}

function momentAt(moments: readonly number[], index: number): number {
  const at = moments[index];
  if (at === undefined) throw new Error(`a replica without moment ${index + 1} of its optimizer`);
  return at;
}

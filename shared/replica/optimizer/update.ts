/**
 * One optimizer update of a replica's weights by the kernels, range by range. Reads nothing but commit, plan and state.
 */
import type { Kernels } from '../kernels/kernels.js';
import type { CommitScalars } from '../../protocol/messages.js';
import type { OptimizerRecipe } from '../../recipe/schema.js';

/** All that an update needs to know of a replica's plan. */
export interface UpdatePlan {
  readonly optimizer: OptimizerRecipe;
  /** Optimizer moments: 0, 1 or 2 regions as large as the weights'. */
  readonly moments: number;
  readonly hasEma: boolean;
}

/**
 * Neighbouring parameters of one group, updated by one kernel call. In floats, from the start of the weights region.
 */
export interface UpdateRange {
  readonly group: number;
  readonly offset: number;
  readonly floats: number;
}

export interface UpdateTarget {
  /** Byte offsets of the replica's regions. */
  readonly layout: { readonly weights: number; readonly moments: readonly number[]; readonly ema: number };
  /** Byte offset of the reduced gradient, as if all of it lay there. */
  readonly gradient: number;
  /** Ranges of which it does. */
  readonly updates: readonly UpdateRange[];
  readonly scalars: CommitScalars;
}

export function applyUpdate(plan: UpdatePlan, kernels: Kernels, target: UpdateTarget): void {
  for (const range of target.updates) {
    updateRange(plan, kernels, { ...target, range });
    if (plan.hasEma) {
      const { ema, weights } = target.layout;
      kernels.average(ema + 4 * range.offset, weights + 4 * range.offset, range.floats, target.scalars.ema);
    }
  }
}

function updateRange(plan: UpdatePlan, kernels: Kernels, target: UpdateTarget & { range: UpdateRange }): void {
  const { layout, range, scalars } = target;
  const at = 4 * range.offset;
  const w = layout.weights + at;
  const g = target.gradient + at;
  const [m = 0, v = 0] = layout.moments.map((moment) => moment + at);
  const scalar = reader(scalars, range.group);
  const common = { clip: scalars.clip, weightDecay: scalar('weightDecay') };
  if (plan.optimizer.name === 'sgd') {
    const sgd = { ...common, learningRate: scalar('learningRate') };
    if (plan.moments === 0) return kernels.sgd(w, g, range.floats, sgd);
    const name = plan.optimizer.nesterov ? 'nesterov' : 'momentum';
    return kernels[name](w, g, m, range.floats, { ...sgd, momentum: scalar('momentum') });
  }
  kernels.adam(w, g, m, v, range.floats, {
    ...common,
    stepSize: scalar('stepSize'),
    keep: scalar('keep'),
    share1: scalar('share1'),
    beta2: scalar('beta2'),
    share2: scalar('share2'),
    inverseRoot: scalar('inverseRoot'),
    epsilon: scalar('epsilon'),
  });
}

function reader(scalars: CommitScalars, group: number): (name: string) => number {
  return (name) => {
    const value = scalars.groups[group]?.[name];
    if (value === undefined) throw new Error(`commit without ${name} for parameter group ${group}`);
    return value;
  };
}

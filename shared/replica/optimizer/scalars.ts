/**
 * The scalars of a commit: all that an update needs beside gradient and state, in float64, computed by the coordinator
 * alone and sent, so that no replica depends on its own Math.pow. Each is rounded to float32 once, in the kernel.
 */
import type { CommitScalars } from '../../protocol/messages.js';
import type { OptimizerRecipe } from '../../recipe/schema.js';
import { clipFactor } from './clipping.js';
import type { GroupPlan } from './groups.js';
import { scheduleFactor } from './schedules.js';

/** Where in the run an update stands, and how large its gradient is. */
export interface UpdatePosition {
  /** Updates made so far, this one included (Adam's t, from 1); skips do not count. */
  readonly update: number;
  /** The committed step, from 0; skips count. */
  readonly step: number;
  readonly totalSteps: number;
  /** Sum of squares of the reduced gradient over the weights that move (Replica.slotSquares). */
  readonly gradientSquares: number;
}

/**
 * The scalars of a step that updates the weights: the learning rate at this step, the factor that clips the gradient,
 * and for each parameter group what its kernel takes; kernels/assembly/optimizers.ts has the formulas. Sources: Adam's
 * bias corrections, Kingma, Ba (2015); AdamW's decay, Loshchilov, Hutter (2019).
 */
export function commitScalars(
  { optimizer, groups }: { readonly optimizer: OptimizerRecipe; readonly groups: readonly GroupPlan[] },
  position: UpdatePosition,
): CommitScalars {
  const rate = optimizer.learningRate * scheduleFactor(optimizer.schedule, position.step, position.totalSteps);
  return {
    skip: false,
    update: position.update,
    clip: clipFactor(optimizer.clipNorm, position.gradientSquares),
    groups: groups.map((group) => groupScalars(optimizer, group, rate, position.update)),
    ema: optimizer.ema > 0 ? 1 - optimizer.ema : 0,
  };
}

/** A step that covers its samples without an update; `update` stays what it was. */
export function skipScalars(update: number): CommitScalars {
  return { skip: true, update, clip: 1, groups: [], ema: 0 };
}

function groupScalars(
  optimizer: OptimizerRecipe,
  group: GroupPlan,
  baseRate: number,
  update: number,
): Record<string, number> {
  if (group.frozen) return {};
  const learningRate = baseRate * group.learningRateScale;
  const { weightDecay } = group;
  if (optimizer.name === 'sgd') return { learningRate, weightDecay, momentum: optimizer.momentum };
  const isDecoupled = optimizer.name === 'adamw';
  return {
    learningRate,
    stepSize: learningRate / (1 - optimizer.beta1 ** update),
    weightDecay: isDecoupled ? 0 : weightDecay,
    keep: isDecoupled ? 1 - learningRate * weightDecay : 1,
    share1: 1 - optimizer.beta1,
    beta2: optimizer.beta2,
    share2: 1 - optimizer.beta2,
    inverseRoot: 1 / Math.sqrt(1 - optimizer.beta2 ** update),
    epsilon: optimizer.epsilon,
  };
}

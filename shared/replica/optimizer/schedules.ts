/**
 * Learning-rate schedules: the factor of the base learning rate at step t (0 for the first), in float64. Only the
 * coordinator evaluates them: Math.pow and Math.cos differ between engines, so the value travels in the commit.
 *
 *   t < W         (t + 1) / W                                   linear warm-up: step W - 1 has the full rate
 *   constant      1
 *   step          gamma^k, k = floor(t / everySteps), or the number of milestones <= t
 *   cosine        f + (1 - f) (1 + cos(pi (t - W) / (T - W))) / 2
 *
 * W = warmupSteps, f = finalFraction, T = steps of the run. Cosine: Loshchilov, Hutter, SGDR (2017).
 *
 * The formulas are those of torch.optim.lr_scheduler's StepLR, MultiStepLR and CosineAnnealingLR (closed forms), with
 * the scheduler stepped after every step; only cosine's t counts from the end of the warm-up.
 */
import type { OptimizerRecipe } from '../../recipe/schema.js';

/** The recipe's `optimizer.schedule`. */
export type RateSchedule = NonNullable<OptimizerRecipe['schedule']>;

/**
 * The factor of the base learning rate; 1 without a schedule.
 *
 * @param step the step, from 0; skipped steps count
 * @param totalSteps steps of the whole run
 */
export function scheduleFactor(schedule: RateSchedule | undefined, step: number, totalSteps: number): number {
  if (schedule === undefined) return 1;
  if (step < schedule.warmupSteps) return (step + 1) / schedule.warmupSteps;
  switch (schedule.name) {
    case 'constant':
      return 1;
    case 'step':
      return schedule.gamma ** decays(schedule, step);
    case 'cosine': {
      const progress = Math.min(1, (step - schedule.warmupSteps) / Math.max(1, totalSteps - schedule.warmupSteps));
      return schedule.finalFraction + ((1 - schedule.finalFraction) * (1 + Math.cos(Math.PI * progress))) / 2;
    }
  }
}

function decays(schedule: Extract<RateSchedule, { name: 'step' }>, step: number): number {
  if (schedule.everySteps !== undefined) return Math.floor(step / schedule.everySteps);
  // The recipe's check demands one of the two.
  return (schedule.milestones ?? []).filter((milestone) => milestone <= step).length;
}

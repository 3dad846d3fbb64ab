/** Combinations of optimizer options that the schema cannot refuse by itself. */
import { UserError } from '../errors.js';
import type { OptimizerRecipe } from '../recipe/schema.js';

/** @throws UserError naming the option. */
export function checkOptimizer(optimizer: OptimizerRecipe): void {
  if (optimizer.name === 'sgd') {
    if (optimizer.nesterov && optimizer.momentum === 0) throw new UserError('optimizer.nesterov: needs a momentum above 0');
  } else {
    for (const beta of ['beta1', 'beta2'] as const) {
      if (optimizer[beta] >= 1) throw new UserError(`optimizer.${beta}: ${optimizer[beta]} is not below 1`);
    }
  }
  const { schedule } = optimizer;
  if (schedule?.name === 'step' && (schedule.everySteps === undefined) === (schedule.milestones === undefined)) {
    throw new UserError('optimizer.schedule: step needs either everySteps or milestones');
  }
}

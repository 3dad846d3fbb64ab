/** Combinations of optimizer options that the schema cannot refuse by itself. */
import { UserError } from '../errors.js';
import type { OptimizerRecipe } from './schema.js';

export interface OptimizerProblem {
  /** The option, as a path in the recipe. */
  readonly path: readonly string[];
  readonly text: string;
}

/** What is wrong, option by option; empty when all is well. */
export function optimizerProblems(optimizer: OptimizerRecipe): OptimizerProblem[] {
  const found: OptimizerProblem[] = [];
  const say = (key: string, text: string): void =>
    void found.push({ path: ['optimizer', key], text: `optimizer.${key}: ${text}` });
  if (optimizer.name === 'sgd') {
    if (optimizer.nesterov && optimizer.momentum === 0) say('nesterov', 'needs a momentum above 0');
  } else {
    for (const beta of ['beta1', 'beta2'] as const) {
      if (optimizer[beta] >= 1) say(beta, `${optimizer[beta]} is not below 1`);
    }
  }
  const { schedule } = optimizer;
  if (schedule?.name === 'step' && (schedule.everySteps === undefined) === (schedule.milestones === undefined)) {
    say('schedule', 'step needs either everySteps or milestones');
  }
  return found;
}

/** @throws UserError naming the option. */
export function checkOptimizer(optimizer: OptimizerRecipe): void {
  const [first] = optimizerProblems(optimizer);
  if (first !== undefined) throw new UserError(first.text);
}

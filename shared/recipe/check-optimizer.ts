/** Checks of how long and by what rule the student is trained: optimizer, batch, epochs and steps. Pure. */
import { UserError } from '../errors.js';
import { at, when, type Finding } from './finding.js';
import type { OptimizerRecipe, Recipe } from './schema.js';

/** Combinations of optimizer options that the schema cannot refuse by itself. */
export function optimizerProblems(optimizer: OptimizerRecipe): Finding[] {
  const { schedule } = optimizer;
  const isUndecided =
    schedule?.name === 'step' && (schedule.everySteps === undefined) === (schedule.milestones === undefined);
  return [
    ...ruleProblems(optimizer),
    ...when(isUndecided, ['optimizer', 'schedule'], 'step needs either everySteps or milestones'),
  ];
}

function ruleProblems(optimizer: OptimizerRecipe): Finding[] {
  if (optimizer.name === 'sgd')
    return when(optimizer.nesterov && optimizer.momentum === 0, ['optimizer', 'nesterov'], 'needs a momentum above 0');
  return (['beta1', 'beta2'] as const)
    .filter((beta) => optimizer[beta] >= 1)
    .map((beta) => at(['optimizer', beta], `${optimizer[beta]} is not below 1`));
}

export function lengthProblems({ batch, epochs, steps, evaluate, data }: Recipe): Finding[] {
  return [
    ...when(
      batch.micro !== undefined && batch.size < batch.micro,
      ['batch', 'micro'],
      `${batch.micro} given; at most batch.size (${batch.size}) wanted`,
    ),
    ...when(epochs === undefined && steps === undefined, ['epochs'], 'missing; epochs or steps wanted'),
    ...when(epochs !== undefined && steps !== undefined, ['steps'], 'given beside epochs; one of the two wanted'),
    ...when(
      evaluate.earlyStop !== undefined && data.eval === undefined,
      ['evaluate', 'earlyStop'],
      'there is no evaluation set; data.eval wanted',
    ),
  ];
}

/** @throws UserError 2 naming the option, for a combination that the schema cannot refuse by itself */
export function checkOptimizer(optimizer: OptimizerRecipe): void {
  const [first] = optimizerProblems(optimizer);
  if (first !== undefined) throw new UserError(first.text);
}

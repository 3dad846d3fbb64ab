/** The baseline: the recipe by which the student is trained alone, to see what its teachers are worth. */
import type { PreparedRun } from '../../coordinator/plan/prepared-run.js';
import { unitsOf } from '../../coordinator/plan/units-of.js';
import { UserError } from '../../shared/errors.js';
import { lossSchema } from '../../shared/recipe/loss-schema.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { hardTerms } from '../../shared/recipe/terms.js';
import { taskOf } from '../../shared/task.js';

/**
 * Derives the baseline's recipe from a run: the same seed and the same number of steps, but no teachers, the labelled
 * samples alone, and no loss but the one of their labels. It is evaluated as often as the run, in samples.
 * @throws UserError 2 when nothing is labelled
 */
export function baselineRecipe(run: PreparedRun): Recipe {
  const { recipe } = run;
  const labelled = labelledSamples(run);
  if (labelled === 0) throw new UserError('baseline: the training data has no labels to train on alone');
  const { stepsPerEpoch, totalSteps } = unitsOf(run);
  const ownStepsPerEpoch = Math.ceil(labelled / recipe.batch.size);
  const everyEpochs = Math.max(1, Math.round((stepsPerEpoch * recipe.evaluate.everyEpochs) / ownStepsPerEpoch));
  const { epochs: _epochs, ...rest } = recipe;
  const { unlabelled: _unlabelled, ...labelledData } = recipe.data;
  return {
    ...rest,
    student: withoutExits(recipe.student),
    teachers: [],
    losses: aloneLosses(recipe),
    baseline: false,
    steps: totalSteps,
    evaluate: { everyEpochs },
    data: { ...labelledData, train: { ...recipe.data.train, onlyLabelled: true } },
  };
}

/** Counts the samples that have a label, at any position. */
function labelledSamples({ trainLabels, manifest: { train } }: PreparedRun): number {
  const { positions = 1 } = train;
  const samples = new Set<number>();
  trainLabels.forEach((label, at) => {
    if (label >= 0) samples.add(Math.floor(at / positions));
  });
  return samples.size;
}

/** The loss of the task's labels or targets, with weight 1 and all else as the recipe says. */
function aloneLosses(recipe: Recipe): Recipe['losses'] {
  const term = hardTerms[taskOf(recipe)];
  return lossSchema.parse({ [term]: { ...recipe.losses[term], weight: 1 } });
}

/** A built-in student is trained alone without exits, which nothing would train. */
function withoutExits(student: Recipe['student']): Recipe['student'] {
  if (!('builtin' in student)) return student;
  const { exits: _, ...rest } = student;
  return rest;
}

/**
 * Whether labels that were made elsewhere are of the training samples that they stand beside: against the labels that
 * are at hand they must be better than a guesser, as a teacher must. Pure.
 */
import { guessing, orAllowed } from '../../coordinator/reports/teacher-check.js';
import type { Manifest } from '../../shared/data/manifest.js';
import { exitCodes, UserError } from '../../shared/errors.js';
import { constantAnswer } from '../../shared/figures/constant-answers.js';
import { figuresByTask } from '../../shared/figures/tasks.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { taskOf, type Task } from '../../shared/task.js';
import type { LabelFile } from './label-file.js';

export interface LabelsAtHand {
  readonly recipe: Recipe;
  readonly train: Manifest['train'];
  readonly classes: number;
  /** [samples]; -1 for none. */
  readonly labels: Int32Array;
  /** [samples x width]; empty where samples have classes. */
  readonly vectors: Float32Array;
}

/** What its user should look at, for each task. */
const wishes: Readonly<Record<Task, string>> = {
  classes: "the same samples in data.train's order, with its classes in their order",
  sequence: "the same samples in data.train's order, with its classes in their order",
  regression: "the same samples in data.train's order, in the same units",
  multiLabel: "the same samples in data.train's order, with its labels in their order",
};

/**
 * Checks a file of labels against the labels of the samples.
 * @returns a line for each thing that is odd
 * @throws UserError 65 when it is no better than a guesser, unless the recipe allows it
 */
export function checkLabelFile(
  file: Pick<LabelFile, 'logits'>,
  { recipe, train, classes: width, labels, vectors }: LabelsAtHand,
): string[] {
  const task = taskOf(recipe);
  const { samples, positions, targets } = train;
  if (positions !== undefined) return [];
  const name = `labels.from: ${recipe.labels.from ?? ''}`;
  const outputs = file.logits.subarray(0, samples * width);
  const sums = figuresByTask[task].teacherSums(
    { rows: samples, labels, vectors, width, positions: 1, means: targets?.means ?? [] },
    { teachers: new Map([[name, outputs]]), ensemble: outputs, specialties: new Map() },
  );
  const answer = constantAnswer({ task, outputs, width, labels });
  const constant = answer === null ? [] : [`${name}: it gives ${answer}; labels of the samples wanted`];
  const found = guessing({ line: { sums, samples }, task, teachers: [name], width });
  if (found === null) return constant;
  const problem = `${name} (${found.figures.join()}): no better than ${found.guesser}; labels of ${wishes[task]} wanted`;
  if (!recipe.ensemble.allowChance) throw new UserError(`${problem}${orAllowed}`, exitCodes.data);
  return [...constant, problem];
}

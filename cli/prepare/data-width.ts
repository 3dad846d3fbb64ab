/** How many numbers student and teachers give of a sample: the classes, or the numbers of a target. Pure. */
import { exitCodes, UserError } from '../../shared/errors.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { hasVectors, taskOf, widthText } from '../../shared/task.js';
import type { DataSets } from './data-checks.js';

/**
 * Finds the width of outputs from recipe and data.
 * @param classNames the recipe's, else those that the training set's format tells
 * @throws UserError 2 where neither tells it, or two of them differ
 */
export function widthOf(
  recipe: Recipe,
  classNames: readonly string[] | undefined,
  { train, evaluation }: DataSets,
): number {
  const task = taskOf(recipe);
  if (!hasVectors(task)) return classesOf(recipe, classNames, { train, evaluation });
  const said: [string, number | undefined][] = [
    ['data.train', train.targets?.width],
    ['data.eval', evaluation?.targets?.width],
    ['data.classes', recipe.data.classes],
    ['data.classNames', recipe.data.classNames?.length],
  ];
  const [first, ...others] = said.flatMap(([where, width]) => (width === undefined ? [] : [{ where, width }]));
  if (first === undefined)
    throw new UserError('data.classes is needed: the data has no targets to count the numbers of');
  const other = others.find(({ width }) => width !== first.width);
  if (other !== undefined)
    throw new UserError(
      `${other.where}: ${widthText(task, other.width)}; ${first.width} wanted, as ${first.where} has`,
    );
  return first.width;
}

/** The number of classes is what the recipe or the data says, else one more than the greatest label. */
function classesOf(recipe: Recipe, classNames: readonly string[] | undefined, sets: DataSets): number {
  const given =
    recipe.data.classes ?? classNames?.length ?? ('builtin' in recipe.student ? recipe.student.classes : undefined);
  if (given !== undefined) return given;
  const labels = [sets.train.labels, sets.evaluation?.labels ?? new Int32Array(0)];
  const greatest = labels.reduce((most, values) => values.reduce((max, label) => Math.max(max, label), most), -1);
  if (greatest < 0) throw new UserError('data.classes is needed: the data has no labels to count classes by');
  checkGreatest(greatest, sets);
  return Math.max(greatest + 1, sets.train.classes ?? 0, sets.evaluation?.classes ?? 0);
}

/** More classes than these are counted only where a fair share of them has a sample. */
const manyClasses = 1000;

/**
 * One mistyped label would make a model of millions of classes.
 * @throws UserError 65 where the greatest label lies far beyond the number of labels that there are
 */
function checkGreatest(greatest: number, { train, evaluation }: DataSets): void {
  if (greatest < manyClasses) return;
  const all = [train, ...(evaluation === null ? [] : [evaluation])];
  const different = new Set(all.flatMap(({ labels }) => [...new Set(labels)])).size;
  if (greatest < 10 * different) return;
  const set = all.find(({ labels }) => labels.includes(greatest)) ?? train;
  const sample = Math.floor(set.labels.indexOf(greatest) / (set.dataSet.positions ?? 1));
  throw new UserError(
    `${set === train ? 'data.train' : 'data.eval'}: sample ${sample} has label ${greatest}, but there are ${different} different labels in all; labels from 0 without such gaps wanted, or data.classes: ${greatest + 1}`,
    exitCodes.data,
  );
}

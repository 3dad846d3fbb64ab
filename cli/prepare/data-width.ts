/** How many numbers student and teachers give of a sample: the classes, or the numbers of a target. Pure. */
import { UserError } from '../../shared/errors.js';
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
  if (!hasVectors(task))
    return classesOf(recipe, classNames, [train.labels, ...(evaluation === null ? [] : [evaluation.labels])]);
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

/** The number of classes is what the recipe says, else one more than the greatest label. */
function classesOf(recipe: Recipe, classNames: readonly string[] | undefined, labels: readonly Int32Array[]): number {
  const given =
    recipe.data.classes ?? classNames?.length ?? ('builtin' in recipe.student ? recipe.student.classes : undefined);
  const found = labels.reduce((most, values) => values.reduce((max, label) => Math.max(max, label), most), -1) + 1;
  if (given === undefined && found === 0)
    throw new UserError('data.classes is needed: the data has no labels to count classes by');
  return given ?? found;
}

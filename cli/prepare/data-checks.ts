/** Whether data that has been read fits the recipe and is in order. Pure. */
import { counted } from '../../shared/counted.js';
import { imageOperations } from '../../shared/data/augment.js';
import { exitCodes, UserError } from '../../shared/errors.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { termsIn } from '../../shared/recipe/terms.js';
import { hasVectors, taskOf } from '../../shared/task.js';
import { checkPreprocess } from './sample-channels.js';
import { areReordered, paddedOtherwise } from './sources/source.js';
import type { WrittenData } from './shards.js';

/** The data sets of a run. */
export interface DataSets {
  readonly train: WrittenData;
  /** Null: the recipe has no evaluation set. */
  readonly evaluation: WrittenData | null;
}

/**
 * Checks that the data sets have samples of one shape, which the augmentation can be applied to.
 * @throws UserError 2 when they do not fit each other or the recipe, 65 for a training set without samples
 */
export function checkSamples(recipe: Recipe, { train, evaluation }: DataSets): void {
  const { samples, shape } = train.dataSet;
  const from = recipe.data.train;
  const named = 'images' in from ? from.images : from.inputs;
  if (samples === 0)
    throw new UserError(`data.train: no samples in ${[named].flat().join(', ')}; some were wanted`, exitCodes.data);
  if (evaluation !== null && evaluation.dataSet.shape.join() !== shape.join()) {
    throw new UserError(
      `data.eval: samples of shape [${evaluation.dataSet.shape.join(', ')}]; data.train has [${shape.join(', ')}]`,
    );
  }
  if (evaluation !== null && areReordered(train, evaluation)) {
    const names = ({ parts = [] }: WrittenData): string => parts.map(({ name }) => name).join(', ');
    throw new UserError(`data.eval: columns ${names(evaluation)}; ${names(train)} wanted, the order of data.train`);
  }
  const padded = evaluation === null ? null : paddedOtherwise(train, evaluation);
  if (padded !== null)
    throw new UserError(`data.eval: pad.${padded}.value is another than that of data.train; the same wanted`);
  checkPreprocess(recipe.data.preprocess, shape);
  checkAugment(recipe, shape);
}

function checkAugment({ data: { augment } }: Recipe, shape: readonly number[]): void {
  if (augment === undefined) return;
  const given = imageOperations.find((operation) => augment[operation] !== undefined && augment[operation] !== false);
  if (given !== undefined && shape.length !== 3)
    throw new UserError(
      `data.augment.${given}: samples are of [${shape.join(', ')}]; images [height, width, channels] wanted`,
    );
  const least = Math.min(...shape.slice(0, 2));
  for (const key of ['shift', 'cutout'] as const) {
    if ((augment[key] ?? 0) >= least)
      throw new UserError(
        `data.augment.${key}: ${augment[key]} given; less than the images' ${counted(least, 'pixel')} wanted`,
      );
  }
}

/**
 * Checks that labels and targets are the task's, in both data sets.
 * @throws UserError 2 when they are of another task, 65 for one that is out of bounds
 */
export function checkLabels(recipe: Recipe, { train, evaluation }: DataSets, classes: number): void {
  checkTold('data.train', recipe, train, classes);
  if (evaluation !== null) checkTold('data.eval', recipe, evaluation, classes);
  const [own, other] = [train.dataSet.positions, evaluation?.dataSet.positions];
  if (own !== undefined && other !== undefined && own !== other)
    throw new UserError(`data.eval: sequences of ${counted(other, 'position')}; ${own} wanted, as data.train has`);
  checkMixture(recipe, train.labels);
}

/** @throws UserError 65 when a class or a target is none of the task's */
function checkTold(
  where: string,
  recipe: Recipe,
  { labels, targets, dataSet: { positions } }: WrittenData,
  classes: number,
): void {
  const task = taskOf(recipe);
  if (task === 'sequence' && positions === undefined)
    throw new UserError(
      `${where}: a label a sample; one for each position ([samples, positions]) wanted, with data.task sequence`,
    );
  if (task !== 'sequence' && positions !== undefined)
    throw new UserError(
      `${where}: labels of ${counted(positions, 'position')} a sample; one a sample (or one-hot labels, of a single 1 each) wanted, or data.task sequence`,
    );
  if (!hasVectors(task)) return checkRange(where, labels, classes, positions);
  const at = task === 'multiLabel' ? (targets?.values.findIndex((value) => value < 0 || value > 1) ?? -1) : -1;
  if (at >= 0)
    throw new UserError(
      `${where}: sample ${Math.floor(at / classes)} has ${targets?.values[at]} for label ${at % classes}; 0 to 1 wanted`,
      exitCodes.data,
    );
}

/** @throws UserError 2 when a sample without a target would be mixed into one that has one */
function checkMixture(recipe: Recipe, labels: Int32Array): void {
  const bare =
    !hasVectors(taskOf(recipe)) || recipe.data.augment?.mixup === undefined
      ? -1
      : labels.findIndex((label) => label < 0);
  const isTaught = termsIn(recipe.losses).some(({ over }) => over === 'labelled');
  if (bare >= 0 && isTaught)
    throw new UserError(
      `data.augment.mixup: sample ${bare} has no target to mix; targets of all samples wanted (data.train.onlyLabelled, and no data.unlabelled), or no mixup`,
    );
}

function checkRange(where: string, labels: Int32Array, classes: number, positions = 1): void {
  const at = labels.findIndex((label) => label >= classes);
  if (at >= 0)
    throw new UserError(
      `${where}: sample ${Math.floor(at / positions)} has label ${labels[at]}${positions === 1 ? '' : ` at position ${at % positions}`}; with ${counted(classes, 'class')} labels go from 0 to ${classes - 1}`,
      exitCodes.data,
    );
}

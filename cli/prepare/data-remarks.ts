/** What looks odd in data that fits the recipe, a line each. Pure. */
import { counted } from '../../shared/counted.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { hasVectors, taskOf } from '../../shared/task.js';
import type { DataSets } from './data-checks.js';
import { looksChannelsFirst } from './sample-channels.js';
import type { WrittenData } from './shards.js';

/** The classes of a run. */
export interface Classes {
  readonly count: number;
  /** By class number; undefined where there are none. */
  readonly names: readonly string[] | undefined;
}

/** @returns lines for the user */
export function dataRemarks(recipe: Recipe, sets: DataSets, classes: Classes): string[] {
  return [
    ...channelsRemarks(recipe, sets.train.dataSet.shape),
    ...missingClasses(recipe, sets, classes),
    ...onlyClass(sets.train, classes),
  ];
}

function channelsRemarks({ data: { train } }: Recipe, shape: readonly number[]): string[] {
  if (train.format === 'folder' || !looksChannelsFirst(shape)) return [];
  return [
    `data.train: samples of [${shape.join(', ')}] look like images with their channels first; channels last wanted, or layout: nchw in data.train for images that are`,
  ];
}

/** A single class, as of a sorted file of which the first labels are kept. */
function onlyClass({ labels, targets, dataSet: { positions } }: WrittenData, { count, names }: Classes): string[] {
  if (count !== 1 || targets !== undefined || positions !== undefined || !labels.some((label) => label === 0))
    return [];
  return [
    `data.train: all of its labels are of one class, ${names?.[0] ?? '0'}; two at least wanted, for a student to tell apart`,
  ];
}

/** Classes of sequences are often the words of a language, of which a training set has a part. */
const mostSequenceClasses = 1000;
const mostNamed = 10;

/** Classes of which no sample tells. An evaluation set with fewer samples than classes cannot have all of them. */
function missingClasses(recipe: Recipe, { train, evaluation }: DataSets, classes: Classes): string[] {
  const task = taskOf(recipe);
  if (task === 'regression' || (task === 'sequence' && classes.count > mostSequenceClasses)) return [];
  const line = (where: string, data: WrittenData, then: string): string[] => {
    const found = seenClasses(data, hasVectors(task));
    const missing = Array.from({ length: classes.count }, (_, label) => label).filter((label) => !found.has(label));
    if (found.size === 0 || missing.length === 0) return [];
    const named = missing.slice(0, mostNamed).map((label) => classes.names?.[label] ?? String(label));
    const more = missing.length > mostNamed ? ` and ${missing.length - mostNamed} more` : '';
    return [
      `${where}: no sample of ${missing.length} of ${counted(classes.count, 'class')}: ${named.join(', ')}${more}${then}`,
    ];
  };
  const isTaught = recipe.teachers.length > 0 || recipe.labels.from !== undefined;
  const told = evaluation?.labels.filter((label) => label >= 0).length ?? 0;
  return [
    ...line(
      'data.train',
      train,
      `; ${isTaught ? 'the student learns those from its teachers alone, if at all' : 'nothing teaches the student those'}`,
    ),
    ...(evaluation === null || told < classes.count ? [] : line('data.eval', evaluation, '')),
  ];
}

/** @param hasTargets whether samples have a number for each class, above 0 where they are of it */
function seenClasses({ labels, targets }: WrittenData, hasTargets: boolean): Set<number> {
  if (!hasTargets) return new Set(labels.filter((label) => label >= 0));
  const { width = 1, values = [] } = targets ?? {};
  const found = new Set<number>();
  values.forEach((value, i) => {
    if (value > 0) found.add(i % width);
  });
  return found;
}

/** Checks of the recipe's data: sources, what samples are to be told, preprocessing and augmentation. Pure. */
import { counted } from '../counted.js';
import { hasVectors, hasLabels, taskOf } from '../task.js';
import { at, when, type Finding } from './finding.js';
import type { Recipe, SourceRecipe } from './schema.js';

/** Whether a source gives its samples weights. */
export function isWeighted(source: SourceRecipe | undefined): boolean {
  return source !== undefined && 'weights' in source && source.weights !== undefined;
}

/** What a source says of its samples that the task has no use for. */
export function targetProblems({ data, ensemble, teachers }: Recipe): Finding[] {
  const task = taskOf({ data });
  const sources = (['train', 'eval'] as const).flatMap((key) => {
    const source = data[key];
    if (source === undefined) return [];
    if (hasVectors(task))
      return when(
        source.labels !== undefined,
        ['data', key, 'labels'],
        `given beside data.task ${task}; targets wanted`,
      );
    return when(
      'targets' in source && source.targets !== undefined,
      ['data', key, 'targets'],
      'given without data.task; regression or multiLabel wanted there',
    );
  });
  return [
    ...sources,
    ...when(
      hasVectors(task) && ensemble.combine === 'probabilities',
      ['ensemble', 'combine'],
      `probabilities given; with data.task ${task} the mean of what the teachers give is taken: logits wanted`,
    ),
    ...teachers.flatMap(({ output }, i) =>
      when(
        task === 'regression' && output === 'probabilities',
        ['teachers', i, 'output'],
        'probabilities given; with data.task regression logits wanted, which are taken as they are',
      ),
    ),
  ];
}

export function dataProblems({ data, baseline }: Recipe): Finding[] {
  const task = taskOf({ data });
  return [
    ...(['train', 'eval', 'unlabelled'] as const).flatMap((key) => inputProblems(data[key], key)),
    ...classNameProblems(data),
    ...when(
      baseline && !hasLabels(task, data.train),
      ['baseline'],
      `the data has no labels to train on alone; data.train.${hasVectors(task) ? 'targets' : 'labels'} wanted`,
    ),
    ...preprocessProblems(data),
  ];
}

/** A file of arrays is named either as images or as inputs. */
function inputProblems(source: SourceRecipe | undefined, key: string): Finding[] {
  if (source === undefined || (source.format !== 'idx' && source.format !== 'npy')) return [];
  if (source.images !== undefined && source.inputs !== undefined)
    return [at(['data', key, 'inputs'], 'given beside images; one of the two wanted')];
  return when(
    source.images === undefined && source.inputs === undefined,
    ['data', key, 'images'],
    'missing; the file of images (or inputs) wanted',
  );
}

function classNameProblems({ classNames, classes }: Recipe['data']): Finding[] {
  if (classNames === undefined) return [];
  const path = ['data', 'classNames'];
  return [
    ...when(
      new Set(classNames).size < classNames.length,
      path,
      'a name given twice; a name of its own for each class wanted',
    ),
    ...when(
      classes !== undefined && classNames.length !== classes,
      path,
      `${counted(classNames.length, 'name')} given; ${classes} wanted, as data.classes says`,
    ),
  ];
}

function preprocessProblems({ preprocess }: Recipe['data']): Finding[] {
  const { mean = [0], std = [1] } = preprocess ?? {};
  return [
    ...when(
      mean.length === 0,
      ['data', 'preprocess', 'mean'],
      'empty; a number for all channels or one for each wanted',
    ),
    ...when(std.length === 0, ['data', 'preprocess', 'std'], 'empty; a number for all channels or one for each wanted'),
    ...when(
      mean.length > 1 && std.length > 1 && mean.length !== std.length,
      ['data', 'preprocess', 'std'],
      `${counted(std.length, 'value')} given; ${mean.length} wanted, as in mean`,
    ),
  ];
}

export function unlabelledProblems({ data: { unlabelled }, labels }: Recipe): Finding[] {
  return [
    ...when(
      unlabelled !== undefined && 'targets' in unlabelled && unlabelled.targets !== undefined,
      ['data', 'unlabelled', 'targets'],
      'given; none wanted (samples with targets are data.train)',
    ),
    ...when(
      unlabelled?.labels !== undefined,
      ['data', 'unlabelled', 'labels'],
      'given; none wanted (samples with labels are data.train)',
    ),
    ...when(
      unlabelled !== undefined && labels.from !== undefined,
      ['data', 'unlabelled'],
      'given beside labels.from, whose rows are those of data.train; one of the two wanted',
    ),
  ];
}

export function augmentProblems({ data: { augment }, labels }: Recipe): Finding[] {
  if (augment === undefined) return [];
  const { fill: _fill, views: _views, flip, ...operations } = augment;
  const isIdle = !flip && Object.values(operations).every((value) => value === undefined);
  return [
    ...when(isIdle, ['data', 'augment'], 'no operation given; shift, flip, crop, cutout, noise or mixup wanted'),
    ...when(
      labels.from !== undefined,
      ['data', 'augment'],
      'given beside labels.from, whose labels are of the samples as they are; one of the two wanted',
    ),
    ...when(
      labels.wait && augment.mixup !== undefined,
      ['data', 'augment', 'mixup'],
      'given beside labels.wait; mixtures are labelled as they are made, so labels.wait: false wanted',
    ),
    ...when(
      labels.wait && augment.views === undefined,
      ['data', 'augment', 'views'],
      'missing beside labels.wait; a number of views wanted, whose labels can be kept',
    ),
  ];
}

/** What a source says of its samples that nothing comes of. */
export function dataWarnings({ data }: Recipe): Finding[] {
  const task = taskOf({ data });
  return [
    ...when(isWeighted(data.eval), ['data', 'eval', 'weights'], 'left out: an evaluation counts every sample alike'),
    ...when(
      data.eval !== undefined && !hasLabels(task, data.eval),
      ['data', 'eval'],
      !hasVectors(task) ? 'no labels: accuracy cannot be told' : 'no targets: how good the student is cannot be told',
    ),
    ...(['train', 'eval'] as const).flatMap((key) => {
      const source = data[key];
      return when(
        source?.labelled !== undefined && !hasLabels(task, source),
        ['data', key, 'labelled'],
        'there are no labels to keep',
      );
    }),
  ];
}

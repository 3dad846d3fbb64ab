/** Checks of a recipe whose samples are sequences with a class at each position (`data.task: sequence`). Pure. */
import { taskOf } from '../task.js';
import { when, type Finding } from './finding.js';
import type { Recipe } from './schema.js';
import { placeOf, tapPairs } from './terms.js';

/** What is not done position by position, and what a recipe of other samples says of positions. */
export function sequenceProblems(recipe: Recipe): Finding[] {
  if (taskOf(recipe) !== 'sequence') return positionProblems(recipe);
  const { data, student, labels, teachers } = recipe;
  const { train } = data;
  return [
    ...adapterProblems(recipe),
    ...when(
      'builtin' in student,
      ['student', 'builtin'],
      'given, which gives no sequence; a model file of [positions, classes] wanted',
    ),
    ...when(
      train.labels === undefined && !('mask' in train && train.mask !== undefined),
      ['data', 'train'],
      'nothing tells the positions; labels or mask of [samples, positions] wanted',
    ),
    ...when(labels.from !== undefined, ['labels', 'from'], 'given with data.task sequence; teachers wanted'),
    ...when(
      data.augment?.mixup !== undefined,
      ['data', 'augment', 'mixup'],
      'given with data.task sequence, whose masks do not mix; no mixup wanted',
    ),
    ...teachers.flatMap(({ specialist }, i) =>
      when(
        specialist !== undefined,
        ['teachers', i, 'specialist'],
        'given with data.task sequence, whose samples are of no one class; none wanted',
      ),
    ),
  ];
}

/** Masks of samples that are no sequences. */
function positionProblems({ data }: Recipe): Finding[] {
  return (['train', 'eval', 'unlabelled'] as const).flatMap((key) =>
    (['mask', 'paddingLabel'] as const).flatMap((name) => {
      const source = data[key];
      const isGiven = source !== undefined && name in source && Reflect.get(source, name) !== undefined;
      return when(isGiven, ['data', key, name], 'given without data.task sequence; that task, or no such key, wanted');
    }),
  );
}

/** Adapters between taps of [positions, features] see one position at a time. */
function adapterProblems({ losses }: Recipe): Finding[] {
  return tapPairs(losses).flatMap(({ term, adapter, batchNorm }) => [
    ...when(adapter === 'dense', [...placeOf(term), 'adapter'], 'dense given, which mixes positions; conv1x1 wanted'),
    ...when(
      batchNorm,
      [...placeOf(term), 'batchNorm'],
      'true given, whose statistics would count positions that do not; false wanted',
    ),
  ]);
}

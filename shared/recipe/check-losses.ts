/** Checks of the recipe's loss terms against its teachers, labels and data. Pure. */
import { usualTemperatures, type Scheduled } from '../losses/options.js';
import type { TapPair, TemperatureRange } from '../losses/term.js';
import { hasVectors, hasLabels, taskOf, type Task } from '../task.js';
import { isWeighted } from './check-data.js';
import { at, when, type Finding } from './finding.js';
import type { Recipe } from './schema.js';
import { canBeOn, ends, placeOf, splitTap, tapPairs, termsIn, type LossTerm } from './terms.js';

/** A welcome has room for so many. */
const mostPlugins = 64;

export function lossProblems({ losses, teachers, data, labels }: Recipe): Finding[] {
  const given = termsIn(losses);
  const task = taskOf({ data });
  const missing = hasVectors(task) ? 'targets' : 'labels';
  const isLabelled = hasLabels(task, data.train);
  const isUseful = given.some((term) => canBeOn(term) && (isLabelled || term.over === 'samples'));
  const hasSoftLabels = teachers.length > 0 || labels.from !== undefined;
  const each = (isSo: (term: LossTerm) => boolean, text: string): Finding[] =>
    given.flatMap((term) => when(isSo(term), placeOf(term.name), text));
  return [
    ...when(
      Object.keys(losses.plugins ?? {}).length > mostPlugins,
      ['losses', 'plugins'],
      `more than ${mostPlugins} given; fewer wanted`,
    ),
    ...when(given.length === 0, ['losses'], 'no term given; crossEntropy, response or both wanted'),
    ...when(given.length > 0 && !given.some(canBeOn), ['losses'], 'every weight is 0; one above 0 wanted'),
    ...each(({ soft }) => soft !== null && !hasSoftLabels, 'there is no teacher; at least one under teachers wanted'),
    ...each((term) => !isUseful && canBeOn(term), `the data has no ${missing}; data.train.${missing} wanted`),
    ...given.flatMap((term) => taskProblems(term, task)),
    ...each(
      ({ needsTeacherTaps }) => needsTeacherTaps && teachers.length === 0,
      'there is no teacher with taps; at least one under teachers wanted',
    ),
    ...given.flatMap((term) => keptLogitProblems(term, labels)),
    ...tapPairs(losses).flatMap((pair) => pairProblems(pair, teachers)),
  ];
}

/** A term has no meaning for outputs that are something else than it is for. */
function taskProblems({ name, tasks }: LossTerm, task: Task): Finding[] {
  if (tasks === null || tasks.includes(task)) return [];
  return [
    at(
      placeOf(name),
      `means nothing for data.task ${task}; ${wishes[task]} wanted, or data.task ${tasks.join(' or ')}`,
    ),
  ];
}

const wishes: Readonly<Record<Task, string>> = {
  classes: 'crossEntropy, response or another term of classes',
  regression: 'regression, embedding or a term on taps',
  multiLabel: 'binaryCrossEntropy, multiLabel or a term on taps',
  sequence: 'a term of each position by itself (crossEntropy, response, logitMse, features)',
};

/** A mixture at a temperature that changes is made in each step, from each teacher's logits. */
function keptLogitProblems({ name, soft, temperature }: LossTerm, labels: Recipe['labels']): Finding[] {
  const isScheduled = typeof temperature !== 'number';
  const needsLogits = soft === 'logits' || (soft === 'mixture' && isScheduled);
  return [
    ...when(
      needsLogits && labels.precision === 'top-k',
      placeOf(name),
      'needs all logits; labels.precision float32 or float16 wanted',
    ),
    ...when(
      isScheduled && labels.from !== undefined,
      [...placeOf(name), 'temperature'],
      'a schedule given beside labels.from; one temperature wanted',
    ),
  ];
}

function pairProblems({ term, teacher }: TapPair, teachers: Recipe['teachers']): Finding[] {
  const isUnknown = teacher !== null && splitTap(teacher, teachers) === null;
  const known = teachers.map(({ name }) => name).join(', ');
  return when(
    isUnknown && teachers.length > 0,
    [...placeOf(term), 'pairs'],
    `"${teacher}" names no teacher; TEACHER/TAP with one of ${known} wanted`,
  );
}

/** Sample weights beside terms that compare samples with each other. */
export function weightedSampleProblems({ losses, data }: Recipe): Finding[] {
  if (!isWeighted(data.train) && !isWeighted(data.unlabelled)) return [];
  return termsIn(losses)
    .filter(({ isAmongSamples }) => isAmongSamples)
    .map(({ name }) =>
      at(placeOf(name), 'compares samples with each other, so it cannot weigh them; data without weights wanted'),
    );
}

/** Earlier exits of a built-in student that no term trains. */
export function unusedExitWarnings({ student, losses }: Recipe): Finding[] {
  const isIdle =
    'builtin' in student &&
    student.exits === true &&
    !termsIn(losses).some((term) => term.on === 'exits' && canBeOn(term));
  return when(
    isIdle,
    ['student', 'exits'],
    'no loss term trains them; losses.exitCrossEntropy or losses.exitResponse wanted',
  );
}

/** Terms of labels that no sample has. */
export function unusedTermWarnings({ losses, data }: Recipe): Finding[] {
  if (hasLabels(taskOf({ data }), data.train)) return [];
  return termsIn(losses)
    .filter((term) => term.over === 'labelled' && canBeOn(term))
    .map(({ name }) => at(placeOf(name), 'the data has no labels, so the term is 0 for every sample'));
}

/** Temperatures of terms and teachers that are unusual. */
export function temperatureWarnings({ teachers, losses }: Recipe): Finding[] {
  return [
    ...termsIn(losses).flatMap(({ name, temperature, usualTemperatures: usual }) =>
      usual === null ? [] : unusual([...placeOf(name), 'temperature'], temperature, usual),
    ),
    ...teachers.flatMap(({ temperature }, i) =>
      temperature === undefined ? [] : unusual(['teachers', i, 'temperature'], temperature, usualTemperatures),
    ),
  ];
}

function unusual(
  path: readonly (string | number)[],
  temperature: Scheduled,
  [lowest, highest]: TemperatureRange,
): Finding[] {
  return ends(temperature).flatMap((t) =>
    when(
      t < lowest || t > highest,
      path,
      `${t} given; ${lowest} to ${highest} is usual (too high makes labels uniform, too low makes them hard)`,
    ),
  );
}

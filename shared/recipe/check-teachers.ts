/** Checks of the recipe's teachers: which of them label a sample, what becomes of one that fails, kept labels. Pure. */
import { at, when, type Finding } from './finding.js';
import { modelAddressOf } from './model-address.js';
import { taskOf } from '../task.js';
import type { Recipe } from './schema.js';
import { placeOf, splitTap, termsIn, type LossTerm } from './terms.js';

export function teacherProblems({ teachers, data }: Recipe): Finding[] {
  const twice = teachers.flatMap(({ name }, i) =>
    when(
      teachers.findIndex((other) => other.name === name) < i,
      ['teachers', i, 'name'],
      `"${name}" given twice; a name of its own wanted`,
    ),
  );
  const isOff = teachers.length > 0 && teachers.every(({ weight }) => weight === 0);
  const unnamed = teachers.flatMap(({ classes }, i) =>
    when(
      classes !== undefined && data.classNames === undefined,
      ['teachers', i, 'classes'],
      'given without the names to bring them into the order of; data.classNames wanted',
    ),
  );
  const fedTwice = teachers.flatMap(({ input, inputs }, i) =>
    when(
      input !== undefined && inputs !== undefined,
      ['teachers', i, 'inputs'],
      'given beside input, which gets the whole sample; one of the two wanted',
    ),
  );
  return [
    ...twice,
    ...unnamed,
    ...fedTwice,
    ...teachers.flatMap((teacher, i) => sourceProblems(teacher, ['teachers', i])),
    ...when(isOff, ['teachers'], 'all weights are 0; at least one above 0 wanted'),
  ];
}

/** Where a teacher's model is: a file, or a server and how it is asked. */
function sourceProblems(teacher: Recipe['teachers'][number], path: readonly (string | number)[]): Finding[] {
  const { model, url, request } = teacher;
  if (url === undefined)
    return [
      ...when(model === undefined, path, 'neither model nor url given; one of the two wanted'),
      ...(['protocol', 'request'] as const).flatMap((key) =>
        when(teacher[key] !== undefined, [...path, key], 'given without url; none wanted'),
      ),
    ];
  const address = modelAddressOf(url);
  const foreign = (['signature', 'trust', 'sha256'] as const).filter((key) => teacher[key] !== undefined);
  return [
    ...when(model !== undefined, [...path, 'url'], 'given beside model; one of the two wanted'),
    ...(typeof address === 'string' ? [at([...path, 'url'], `"${url}" given: ${address}`)] : []),
    ...when(
      typeof address !== 'string' && !address.isPrivate && request?.plainHttp !== true,
      [...path, 'url'],
      `"${url}" given, which others can listen to; https:// wanted, or request.plainHttp: true`,
    ),
    ...foreign.map((key) => at([...path, key], 'given beside url; none wanted, since there is no file')),
  ];
}

/** Label workers alone ask servers, and those have no inner values to give. */
export function servedProblems({ teachers, labels, losses }: Recipe): Finding[] {
  const served = teachers.flatMap(({ url, name }, i) =>
    url === undefined ? [] : [{ name, path: ['teachers', i, 'url'] }],
  );
  const paired = pairedTeachers(losses, teachers);
  return served.flatMap(({ name, path }) => [
    ...when(
      !labels.wait,
      path,
      'given without labels.wait; labels: { wait: true } wanted, since workers with --role label alone ask a server',
    ),
    ...paired
      .filter(({ names }) => names.includes(name))
      .map(({ place }) =>
        at(path, `given beside ${place}, which compares with inner values; a model in a file wanted`),
      ),
  ]);
}

/** What a run cannot go on without when a teacher fails. */
export function failureProblems(recipe: Recipe): Finding[] {
  const { ensemble, teachers } = recipe;
  if (ensemble.onFailure === 'stop') return [];
  return [
    ...when(
      teachers.filter(({ weight }) => weight > 0).length < 2,
      dropPath,
      'drop given; two teachers with a weight above 0 wanted, one to go on with',
    ),
    ...dropHindrances(recipe),
  ];
}

const dropPath = ['ensemble', 'onFailure'];

/** What of the recipe keeps its run from going on without a teacher, whatever their number. */
export function dropHindrances({ teachers, losses, labels }: Recipe): Finding[] {
  const path = dropPath;
  return [
    ...pairedTeachers(losses, teachers).map(({ place }) =>
      at(path, `drop given, and ${place} compares with single teachers, which it cannot do without; stop wanted`),
    ),
    ...when(labels.wait, path, 'drop given beside labels.wait, where training workers run no teacher; stop wanted'),
  ];
}

interface PairedTeachers {
  /** The term, as a text. */
  readonly place: string;
  /** Names of the teachers whose taps it compares with; all of them where its pairs are to be found. */
  readonly names: readonly string[];
}

function pairedTeachers(losses: Recipe['losses'], teachers: Recipe['teachers']): PairedTeachers[] {
  return termsIn(losses)
    .filter(({ needsTeacherTaps }) => needsTeacherTaps)
    .map(({ name, pairs }) => {
      const named = pairs === 'auto' ? [] : pairs.flatMap(({ teacher }) => teacherOf(teacher, teachers));
      const place = placeOf(name).join('.');
      return { place, names: named.length === 0 ? teachers.map((teacher) => teacher.name) : named };
    });
}

function teacherOf(tap: string | null, teachers: Recipe['teachers']): string[] {
  const found = tap === null ? null : splitTap(tap, teachers);
  return found === null ? [] : [found.teacher];
}

/** A rule by which a sample is labelled by some of the teachers, and its keys. */
interface Specialist {
  readonly name: string;
  readonly classes: readonly (string | number)[];
  readonly path: readonly (string | number)[];
}

const subsetPath = ['ensemble', 'subset'];

/** Rules by which a sample is labelled by some of the teachers: `ensemble.subset` and `specialist`. */
export function routingProblems(recipe: Recipe): Finding[] {
  const { teachers, ensemble, losses } = recipe;
  const specialists = teachers.flatMap(({ name, specialist }, i): Specialist[] =>
    specialist === undefined ? [] : [{ name, classes: specialist, path: ['teachers', i, 'specialist'] }],
  );
  /** Teachers that label any sample. */
  const general = teachers.filter(({ weight, specialist }) => weight > 0 && specialist === undefined).length;
  const rules = [...(ensemble.subset === undefined ? [] : [subsetPath]), ...specialists.map(({ path }) => path)];
  const paired = pairedTeachers(losses, teachers);
  return [
    ...ruleProblems(recipe, rules, general),
    ...specialists.slice(0, 1).flatMap(({ path }) => specialistProblems(recipe, path, general)),
    ...paired.flatMap(({ place }) =>
      when(
        ensemble.subset !== undefined,
        subsetPath,
        `given beside ${place}, which compares every sample with a teacher; one of the two wanted`,
      ),
    ),
    ...specialists.flatMap(({ name, path }) =>
      paired
        .filter(({ names }) => names.includes(name))
        .map(({ place }) =>
          at(path, `given beside ${place}, which compares every sample with this teacher; one of the two wanted`),
        ),
    ),
    ...specialists.flatMap((specialist) => classProblems(specialist, recipe.data)),
  ];
}

/** What holds for both kinds of rules. */
function ruleProblems(
  { ensemble: { subset }, labels, losses }: Recipe,
  rules: readonly (readonly (string | number)[])[],
  general: number,
): Finding[] {
  return [
    ...when(
      subset !== undefined && labels.from === undefined && subset > general,
      subsetPath,
      `${subset} given; at most ${general} wanted, the teachers with a weight that are no specialists`,
    ),
    ...rules.flatMap((path) => fileProblems(labels, path)),
    ...rules.slice(0, 1).flatMap((path) =>
      termsIn(losses)
        .filter(needsEveryTeacher)
        .map(({ name }) =>
          at(
            path,
            `given beside losses.${name}, which needs every teacher's logits of every sample; a temperature that stays, or no such rule, wanted`,
          ),
        ),
    ),
  ];
}

/** What says how teachers label has nothing to say of labels that were made elsewhere. */
function fileProblems({ from }: Recipe['labels'], path: readonly (string | number)[]): Finding[] {
  return when(
    from !== undefined,
    path,
    'given beside labels.from, whose labels are of no teacher here; one of the two wanted',
  );
}

/** A mixture at a temperature that changes is made in each step, from the logits of all teachers. */
function needsEveryTeacher({ soft, temperature }: LossTerm): boolean {
  return soft === 'mixture' && typeof temperature !== 'number';
}

const weightsPath = ['ensemble', 'weights', 'by'];
const keepPath = ['labels', 'keep'];

/** Weights for each sample, and labels that are kept by teacher, need what every teacher says of every sample. */
export function mixingProblems(recipe: Recipe): Finding[] {
  const { ensemble, labels, teachers } = recipe;
  const by = ensemble.weights?.by;
  const wished = [...(by === undefined ? [] : [weightsPath]), ...(labels.keep === 'teachers' ? [keepPath] : [])];
  const routed = [
    ...(ensemble.subset === undefined ? [] : ['ensemble.subset']),
    ...(teachers.some(({ specialist }) => specialist !== undefined) ? ['a specialist'] : []),
  ];
  const onClasses = ['classes', 'sequence'].includes(taskOf(recipe));
  return [
    ...wished.flatMap((path) => [
      ...routed.map((rule) =>
        at(path, `given beside ${rule}, where teachers label some samples only; one of the two wanted`),
      ),
      ...when(
        labels.precision === 'top-k',
        path,
        'given beside labels.precision top-k, whose lists of classes do not mix; float32 or float16 wanted',
      ),
      ...fileProblems(labels, path),
    ]),
    ...when(
      by !== undefined && labels.keep === 'mixture',
      weightsPath,
      'given beside labels.keep mixture; teachers, or auto, wanted',
    ),
    ...when(by !== undefined && !onClasses, weightsPath, 'given for answers that are no classes; none wanted'),
    ...(by === 'label' ? labelRuleProblems(recipe) : []),
  ];
}

function labelRuleProblems({ data }: Recipe): Finding[] {
  return [
    ...when(
      data.train.labels === undefined,
      weightsPath,
      'label given, and the data has no labels; data.train.labels, confidence or entropy wanted',
    ),
    ...when(
      data.augment?.mixup !== undefined,
      weightsPath,
      'label given beside data.augment.mixup, whose samples are of two classes; confidence or entropy wanted',
    ),
  ];
}

/** @param path the first specialist's */
function specialistProblems({ data }: Recipe, path: readonly (string | number)[], general: number): Finding[] {
  return [
    ...when(general === 0, path, 'no teacher with a weight is without it; one that labels any sample wanted'),
    ...when(
      data.train.labels === undefined,
      path,
      'the data has no labels by which samples could be told apart; data.train.labels wanted',
    ),
    ...when(
      data.augment?.mixup !== undefined,
      path,
      'given beside data.augment.mixup, whose samples are of two classes; one of the two wanted',
    ),
  ];
}

function classProblems({ classes, path }: Specialist, data: Recipe['data']): Finding[] {
  return classes.flatMap((one) =>
    when(
      typeof one === 'string' && !isClassName(one, data),
      path,
      `"${String(one)}" is none of data.classNames; one of ${data.classNames?.join(', ') ?? 'them'} wanted`,
    ),
  );
}

/** Class names may also come from the folders of a data set. */
function isClassName(name: string, { classNames, train }: Recipe['data']): boolean {
  return classNames === undefined ? train.format === 'folder' : classNames.includes(name);
}

/** What labels that are kept, waited for or read from a file do not go with. */
export function keptLabelProblems({ labels }: Recipe): Finding[] {
  return [
    ...when(
      labels.wait && !labels.cache,
      ['labels', 'wait'],
      'true given beside cache: false; labels that are kept wanted',
    ),
    ...when(
      labels.from !== undefined && labels.precision !== 'float32',
      ['labels', 'precision'],
      `${labels.precision} given beside from, whose labels are used as they are; float32 wanted`,
    ),
  ];
}

/** Teachers that nothing is learnt from, and a baseline that is the run itself. */
export function teacherWarnings({ teachers, losses, baseline }: Recipe): Finding[] {
  const isUsed = termsIn(losses).some(({ soft, needsTeacherTaps }) => soft !== null || needsTeacherTaps);
  return [
    ...when(!isUsed && teachers.length > 0, ['teachers'], 'no loss term uses them; they are evaluated only'),
    ...when(baseline && teachers.length === 0, ['baseline'], 'there are no teachers: the run is its own baseline'),
  ];
}

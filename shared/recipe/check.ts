/** What the schema cannot say: fields of a recipe that must fit each other. Pure. */
import { optimizerProblems } from './check-optimizer.js';
import type { Finding } from './problems.js';
import type { Losses, LossName, Schedule } from './loss-schema.js';
import { lossesAt } from './schedules.js';
import type { Recipe } from './schema.js';
import { hasVectors, hasLabels, taskOf, type Task } from '../task.js';
import { needsOf, optionsOf, pluginOf, splitTap, tapPairs, temperatureOf, termsIn, type TapPair } from './terms.js';

export function checkFields(recipe: Recipe): { problems: Finding[]; warnings: Finding[] } {
  return {
    problems: [
      ...lossProblems(recipe),
      ...lengthProblems(recipe),
      ...teacherProblems(recipe),
      ...failureProblems(recipe),
      ...toldProblems(recipe),
      ...sequenceProblems(recipe),
      ...dataProblems(recipe),
      ...unlabelledProblems(recipe),
      ...weightProblems(recipe),
      ...augmentProblems(recipe),
      ...keptLabelProblems(recipe),
      ...routingProblems(recipe),
      ...optimizerProblems(recipe.optimizer),
    ],
    warnings: [
      ...exitWarnings(recipe),
      ...labelWarnings(recipe),
      ...teacherWarnings(recipe),
      ...temperatureWarnings(recipe),
    ],
  };
}

/** A finding on a key; the text goes behind the key's path. */
function at(path: readonly (string | number)[], text: string): Finding {
  return { path, text: `${path.join('.')}: ${text}` };
}

function when(isSo: boolean, path: readonly (string | number)[], text: string): Finding[] {
  return isSo ? [at(path, text)] : [];
}

/** What a welcome has room for. */
const mostPlugins = 64;

function lossProblems({ losses, teachers, data, labels }: Recipe): Finding[] {
  const given = termsIn(losses);
  const task = taskOf({ data });
  const isLabelled = hasLabels(task, data.train);
  const missing = hasVectors(task) ? 'targets' : 'labels';
  const useful = given.filter(
    (term) => canBeOn(losses, term) && (isLabelled || needsOf(losses, term).over === 'samples'),
  );
  const hasSoftLabels = teachers.length > 0 || labels.from !== undefined;
  return [
    ...when(
      Object.keys(losses.plugins ?? {}).length > mostPlugins,
      ['losses', 'plugins'],
      `more than ${mostPlugins} given; fewer wanted`,
    ),
    ...when(given.length === 0, ['losses'], 'no term given; crossEntropy, response or both wanted'),
    ...when(
      given.length > 0 && !given.some((term) => canBeOn(losses, term)),
      ['losses'],
      'every weight is 0; one above 0 wanted',
    ),
    ...given.flatMap((term) =>
      when(
        needsOf(losses, term).soft !== null && !hasSoftLabels,
        placeOf(term),
        'there is no teacher; at least one under teachers wanted',
      ),
    ),
    ...given.flatMap((term) =>
      when(
        useful.length === 0 && canBeOn(losses, term),
        placeOf(term),
        `the data has no ${missing}; data.train.${missing} wanted`,
      ),
    ),
    ...given.flatMap((term) => taskProblems(term, needsOf(losses, term).tasks, task)),
    ...given.flatMap((term) =>
      when(
        needsOf(losses, term).pairs && teachers.length === 0,
        placeOf(term),
        'there is no teacher with taps; at least one under teachers wanted',
      ),
    ),
    ...given.flatMap((term) => labelProblems(term, losses, labels)),
    ...tapPairs(losses).flatMap((pair) => pairProblems(pair, teachers)),
  ];
}

/** Of a term whose value would mean nothing for what the samples are to be told. */
function taskProblems(term: LossName, tasks: readonly Task[] | undefined, task: Task): Finding[] {
  return when(
    tasks !== undefined && !tasks.includes(task),
    placeOf(term),
    `means nothing for data.task ${task}; ${wishes[task]} wanted, or data.task ${tasks?.join(' or ') ?? ''}`,
  );
}

const wishes: Readonly<Record<Task, string>> = {
  classes: 'crossEntropy, response or another term of classes',
  regression: 'regression, embedding or a term on taps',
  multiLabel: 'binaryCrossEntropy, multiLabel or a term on taps',
  sequence: 'a term of each position by itself (crossEntropy, response, logitMse, features)',
};

/** What a source says of its samples that the task has no use for. */
function toldProblems({ data, ensemble, teachers }: Recipe): Finding[] {
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

/** What is not done position by position, and what a recipe of other samples says of positions. */
function sequenceProblems({ data, student, losses, labels, teachers }: Recipe): Finding[] {
  const keys = (['train', 'eval', 'unlabelled'] as const).flatMap((key) =>
    (['mask', 'paddingLabel'] as const).flatMap((name) => {
      const source = data[key];
      return source !== undefined && name in source && Reflect.get(source, name) !== undefined
        ? [['data', key, name]]
        : [];
    }),
  );
  if (taskOf({ data }) !== 'sequence')
    return keys.flatMap((path) =>
      when(true, path, 'given without data.task sequence; that task, or no such key, wanted'),
    );
  const { train } = data;
  const pairs = tapPairs(losses).flatMap(({ term, adapter, batchNorm }) => [
    ...when(adapter === 'dense', [...placeOf(term), 'adapter'], 'dense given, which mixes positions; conv1x1 wanted'),
    ...when(
      batchNorm,
      [...placeOf(term), 'batchNorm'],
      'true given, whose statistics would count positions that do not; false wanted',
    ),
  ]);
  return [
    ...pairs,
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

/** Its keys in the recipe. */
function placeOf(term: LossName): string[] {
  const plugin = pluginOf(term);
  return plugin === null ? ['losses', term] : ['losses', 'plugins', plugin];
}

/** Whether its weight is above 0 in some step. */
function canBeOn(losses: Losses, term: LossName): boolean {
  const { weight = 0 } = optionsOf(losses, term) ?? {};
  return typeof weight === 'number' ? weight > 0 : weight.from > 0 || weight.to > 0;
}

function labelProblems(term: LossName, losses: Losses, labels: Recipe['labels']): Finding[] {
  const { soft } = needsOf(losses, term);
  const isScheduled = typeof temperatureOf(losses, term) !== 'number';
  const needsLogits = soft === 'logits' || (soft === 'mixture' && isScheduled);
  return [
    ...when(
      needsLogits && labels.precision === 'top-k',
      placeOf(term),
      'needs all logits; labels.precision float32 or float16 wanted',
    ),
    ...when(
      isScheduled && labels.from !== undefined,
      [...placeOf(term), 'temperature'],
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

function lengthProblems({ batch, epochs, steps, evaluate, data }: Recipe): Finding[] {
  return [
    ...when(
      batch.micro !== undefined && batch.size < batch.micro,
      ['batch', 'micro'],
      `${batch.micro} given; at most batch.size (${batch.size}) wanted`,
    ),
    ...when(epochs === undefined && steps === undefined, ['epochs'], 'missing; epochs or steps wanted'),
    ...when(epochs !== undefined && steps !== undefined, ['steps'], 'given beside epochs; one of the two wanted'),
    ...when(
      evaluate.earlyStop !== undefined && data.eval === undefined,
      ['evaluate', 'earlyStop'],
      'there is no evaluation set; data.eval wanted',
    ),
  ];
}

function teacherProblems({ teachers, data }: Recipe): Finding[] {
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
  return [...twice, ...unnamed, ...when(isOff, ['teachers'], 'all weights are 0; at least one above 0 wanted')];
}

/** Of rules by which a sample is labelled by some of the teachers. */
function routingProblems({ teachers, ensemble, losses, data, labels }: Recipe): Finding[] {
  const { subset } = ensemble;
  const specialists = teachers.flatMap(({ name, specialist }, i) =>
    specialist === undefined ? [] : [{ name, specialist, path: ['teachers', i, 'specialist'] }],
  );
  const able = teachers.filter(({ weight, specialist }) => weight > 0 && specialist === undefined).length;
  const rules = [...(subset === undefined ? [] : [['ensemble', 'subset']]), ...specialists.map(({ path }) => path)];
  const paired = pairedTeachers(losses, teachers);
  const needAll = termsIn(losses).filter(
    (term) => needsOf(losses, term).soft === 'mixture' && typeof temperatureOf(losses, term) !== 'number',
  );
  return [
    ...when(
      subset !== undefined && labels.from === undefined && subset > able,
      ['ensemble', 'subset'],
      `${subset} given; at most ${able} wanted, the teachers with a weight that are no specialists`,
    ),
    ...rules.flatMap((path) =>
      when(
        labels.from !== undefined,
        path,
        'given beside labels.from, whose labels are of no teacher here; one of the two wanted',
      ),
    ),
    ...rules
      .slice(0, 1)
      .flatMap((path) =>
        needAll.flatMap((term) =>
          when(
            true,
            path,
            `given beside losses.${term}, which needs every teacher's logits of every sample; a temperature that stays, or no such rule, wanted`,
          ),
        ),
      ),
    ...specialists
      .slice(0, 1)
      .flatMap(({ path }) => [
        ...when(able === 0, path, 'no teacher with a weight is without it; one that labels any sample wanted'),
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
      ]),
    ...paired.flatMap(({ term }) =>
      when(
        subset !== undefined,
        ['ensemble', 'subset'],
        `given beside ${placeOf(term).join('.')}, which compares every sample with a teacher; one of the two wanted`,
      ),
    ),
    ...specialists.flatMap(({ name, path }) =>
      paired
        .filter(({ teachers: named }) => named.includes(name))
        .map(({ term }) =>
          at(
            path,
            `given beside ${placeOf(term).join('.')}, which compares every sample with this teacher; one of the two wanted`,
          ),
        ),
    ),
    ...specialists.flatMap(({ specialist, path }) =>
      specialist.flatMap((one) =>
        when(
          typeof one === 'string' && !isClassName(one, data),
          path,
          `"${String(one)}" is none of data.classNames; one of ${data.classNames?.join(', ') ?? 'them'} wanted`,
        ),
      ),
    ),
  ];
}

/** By term with pairs, the teachers that it compares with: all of them where pairs are to be found. */
function pairedTeachers(
  losses: Losses,
  teachers: Recipe['teachers'],
): { readonly term: LossName; readonly teachers: readonly string[] }[] {
  const pairs = tapPairs(losses);
  return termsIn(losses)
    .filter((term) => needsOf(losses, term).pairs)
    .map((term) => {
      const named = pairs
        .filter((pair) => pair.term === term)
        .flatMap(({ teacher }) => splitTap(teacher ?? '', teachers)?.teacher ?? []);
      return { term, teachers: named.length === 0 ? teachers.map(({ name }) => name) : named };
    });
}

/** Class names may also come from the folders of a data set. */
function isClassName(name: string, { classNames, train }: Recipe['data']): boolean {
  return classNames === undefined ? train.format === 'folder' : classNames.includes(name);
}

/** What a run cannot go on without. */
function failureProblems({ ensemble, teachers, losses, labels }: Recipe): Finding[] {
  if (ensemble.onFailure === 'stop') return [];
  return [
    ...when(
      teachers.filter(({ weight }) => weight > 0).length < 2,
      ['ensemble', 'onFailure'],
      'drop given; two teachers with a weight above 0 wanted, one to go on with',
    ),
    ...pairedTeachers(losses, teachers).map(({ term }) =>
      at(
        ['ensemble', 'onFailure'],
        `drop given, and ${placeOf(term).join('.')} compares with single teachers, which it cannot do without; stop wanted`,
      ),
    ),
    ...when(
      labels.wait,
      ['ensemble', 'onFailure'],
      'drop given beside labels.wait, where training workers run no teacher; stop wanted',
    ),
  ];
}

function keptLabelProblems({ labels }: Recipe): Finding[] {
  return [
    ...when(
      labels.wait && !labels.cache,
      ['labels', 'wait'],
      'true given beside cache: false; labels that are kept wanted',
    ),
    ...fileLabelProblems(labels),
  ];
}

function fileLabelProblems(labels: Recipe['labels']): Finding[] {
  return when(
    labels.from !== undefined && labels.precision !== 'float32',
    ['labels', 'precision'],
    `${labels.precision} given beside from, whose labels are used as they are; float32 wanted`,
  );
}

function dataProblems({ data, baseline }: Recipe): Finding[] {
  const { mean = [0], std = [1] } = data.preprocess ?? {};
  const sources = (['train', 'eval', 'unlabelled'] as const).flatMap((key) => {
    const source = data[key];
    if (source === undefined || (source.format !== 'idx' && source.format !== 'npy')) return [];
    if (source.images !== undefined && source.inputs !== undefined)
      return [at(['data', key, 'inputs'], 'given beside images; one of the two wanted')];
    return when(
      source.images === undefined && source.inputs === undefined,
      ['data', key, 'images'],
      'missing; the file of images (or inputs) wanted',
    );
  });
  return [
    ...sources,
    ...when(
      data.classNames !== undefined && new Set(data.classNames).size < data.classNames.length,
      ['data', 'classNames'],
      'a name given twice; a name of its own for each class wanted',
    ),
    ...when(
      data.classNames !== undefined && data.classes !== undefined && data.classNames.length !== data.classes,
      ['data', 'classNames'],
      `${data.classNames?.length} names given; ${data.classes} wanted, as data.classes says`,
    ),
    ...when(
      baseline && !hasLabels(taskOf({ data }), data.train),
      ['baseline'],
      `the data has no labels to train on alone; data.train.${hasVectors(taskOf({ data })) ? 'targets' : 'labels'} wanted`,
    ),
    ...when(
      mean.length === 0,
      ['data', 'preprocess', 'mean'],
      'empty; a number for all channels or one for each wanted',
    ),
    ...when(std.length === 0, ['data', 'preprocess', 'std'], 'empty; a number for all channels or one for each wanted'),
    ...when(
      mean.length > 1 && std.length > 1 && mean.length !== std.length,
      ['data', 'preprocess', 'std'],
      `${std.length} values given; ${mean.length} wanted, as in mean`,
    ),
  ];
}

function exitWarnings({ student, losses }: Recipe): Finding[] {
  const isIdle =
    'builtin' in student &&
    student.exits === true &&
    !termsIn(losses).some((term) => needsOf(losses, term).exits && canBeOn(losses, term));
  return when(
    isIdle,
    ['student', 'exits'],
    'no loss term trains them; losses.exitCrossEntropy or losses.exitResponse wanted',
  );
}

function isWeighted({ data }: Recipe, key: 'train' | 'eval' | 'unlabelled'): boolean {
  const source = data[key];
  return source !== undefined && source.format !== 'folder' && source.weights !== undefined;
}

function weightProblems(recipe: Recipe): Finding[] {
  const { losses } = recipe;
  const among =
    isWeighted(recipe, 'train') || isWeighted(recipe, 'unlabelled')
      ? termsIn(losses).filter((term) => needsOf(losses, term).isAmongSamples === true)
      : [];
  return among.flatMap((term) =>
    when(
      true,
      ['losses', term],
      'compares samples with each other, so it cannot weigh them; data without weights wanted',
    ),
  );
}

function unlabelledProblems({ data: { unlabelled }, labels }: Recipe): Finding[] {
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

function augmentProblems({ data: { augment }, labels }: Recipe): Finding[] {
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

function labelWarnings(recipe: Recipe): Finding[] {
  const { data, losses } = recipe;
  const task = taskOf({ data });
  const idle = hasLabels(task, data.train)
    ? []
    : termsIn(losses).filter((term) => needsOf(losses, term).over === 'labelled' && canBeOn(losses, term));
  return [
    ...idle.flatMap((term) => when(true, placeOf(term), 'the data has no labels, so the term is 0 for every sample')),
    ...when(
      isWeighted(recipe, 'eval'),
      ['data', 'eval', 'weights'],
      'left out: an evaluation counts every sample alike',
    ),
    ...when(
      data.eval !== undefined && !hasLabels(task, data.eval),
      ['data', 'eval'],
      !hasVectors(task) ? 'no labels: accuracy cannot be told' : 'no targets: how good the student is cannot be told',
    ),
    ...(['train', 'eval'] as const).flatMap((key) =>
      when(
        data[key]?.labelled !== undefined && !hasLabels(task, data[key] ?? {}),
        ['data', key, 'labelled'],
        'there are no labels to keep',
      ),
    ),
  ];
}

function teacherWarnings({ teachers, losses, baseline }: Recipe): Finding[] {
  return [
    ...when(
      !termsIn(losses).some((term) => needsOf(losses, term).soft !== null || needsOf(losses, term).pairs) &&
        teachers.length > 0,
      ['teachers'],
      'no loss term uses them; they are evaluated only',
    ),
    ...when(baseline && teachers.length === 0, ['baseline'], 'there are no teachers: the run is its own baseline'),
  ];
}

function temperatureWarnings({ teachers, losses }: Recipe): Finding[] {
  const given = [
    ...termsIn(losses)
      .filter((term) => term === 'response' || term === 'decoupled' || term === 'exitResponse')
      .flatMap((term) => ends(temperatureOf(losses, term)).map((t) => ({ path: ['losses', term, 'temperature'], t }))),
    ...teachers.flatMap(({ temperature }, i) =>
      temperature === undefined ? [] : [{ path: ['teachers', i, 'temperature'], t: temperature }],
    ),
  ];
  return given
    .filter(({ t }) => t < 1 || t > 20)
    .map(({ path, t }) =>
      at(path, `${t} given; 1 to 20 is usual (too high makes labels uniform, too low makes them hard)`),
    );
}

function ends(value: number | Schedule): number[] {
  return typeof value === 'number' ? [value] : [value.from, value.to];
}

/** The total loss written out, every factor visible: weights as they are, T^2, shares of the ensemble, temperatures. */
export function describeLosses({ losses, teachers, ensemble, labels }: Recipe): string[] {
  const now = lossesAt(losses);
  const parts = termsIn(losses).map(
    (term) => `${written(optionsOf(losses, term)?.weight ?? 0)} x ${describeTerm(term, losses, now)}`,
  );
  if (labels.from !== undefined) return [`total = ${parts.join(' + ')}`, `ensemble = the labels in ${labels.from}`];
  const sum = teachers.reduce((total, { weight }) => total + weight, 0);
  const shares = teachers.map(
    ({ name, weight, temperature, specialist }) =>
      `${(weight / (sum || 1)).toFixed(4)} x ${name}${temperature === undefined ? '' : ` at T=${temperature}`}${specialist === undefined ? '' : ` for ${specialist.join(', ')} alone`}`,
  );
  const routing = ensemble.subset === undefined ? '' : `, ${ensemble.subset} of them for each sample`;
  return [
    `total = ${parts.join(' + ')}`,
    ...(shares.length === 0 ? [] : [`ensemble (${ensemble.combine}) = ${shares.join(' + ')}${routing}`]),
  ];
}

/** A term's own factors, with the temperature where it has one: T^2 as a number while it is constant. */
function describeTerm(term: LossName, losses: Losses, now: ReturnType<typeof lossesAt>): string {
  const t = temperatureOf(losses, term);
  const square = typeof t === 'number' ? String(t * t) : 'T^2';
  const at = typeof t === 'number' ? `T=${t}` : `T=${written(t)}`;
  switch (term) {
    case 'response':
      return `${square} x KL(ensemble || student at ${at})`;
    case 'regression':
      return `regression (${now.regression?.distance}${now.regression?.distance === 'huber' ? `, delta ${now.regression.delta}` : ''})`;
    case 'binaryCrossEntropy':
      return 'sum of binary cross entropy';
    case 'decoupled':
      return `${square} x (${now.decoupled?.alpha} x target + ${now.decoupled?.beta} x other classes at ${at})`;
    case 'virtualTeacher':
      return `${square} x KL(label at ${now.virtualTeacher?.probability}, else even || student at ${at})`;
    case 'multiLabel':
      return `${square} x sum of binary KL(ensemble || student at ${at})`;
    case 'exitResponse':
      return `${square} x sum of KL(last exit || earlier exits at ${at})`;
    case 'dist':
      return `${square} x (${now.dist?.beta} x (1 - r by sample) + ${now.dist?.gamma} x (1 - r by class)) at ${at}`;
    default:
      return `${term}${describePairs(term, losses)}${pluginOf(term) !== null && needsOf(losses, term).soft === 'mixture' ? ` at ${at}` : ''}`;
  }
}

function describePairs(term: LossName, losses: Losses): string {
  const pairs = tapPairs(losses).filter((pair) => pair.term === term);
  const one = ({ student, teacher, to, adapter }: TapPair): string =>
    `${student} -> ${teacher ?? to}${adapter === undefined || adapter === 'identity' ? '' : ` by ${adapter}`}`;
  return pairs.length === 0 ? '' : ` (${pairs.map(one).join(', ')})`;
}

function written(value: number | Schedule): string {
  return typeof value === 'number' ? String(value) : `(${value.from} to ${value.to}, ${value.over})`;
}

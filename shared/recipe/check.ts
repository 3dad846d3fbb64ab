/** What the schema cannot say: fields of a recipe that must fit each other. Pure. */
import { optimizerProblems } from '../optimizer/check.js';
import type { Finding } from './problems.js';
import type { Recipe } from './schema.js';

export function checkFields(recipe: Recipe): { problems: Finding[]; warnings: Finding[] } {
  return {
    problems: [...lossProblems(recipe), ...lengthProblems(recipe), ...teacherProblems(recipe), ...dataProblems(recipe), ...keptLabelProblems(recipe), ...optimizerProblems(recipe.optimizer)],
    warnings: [...labelWarnings(recipe), ...teacherWarnings(recipe), ...temperatureWarnings(recipe)],
  };
}

/** A finding on a key; the text goes behind the key's path. */
function at(path: readonly (string | number)[], text: string): Finding {
  return { path, text: `${path.join('.')}: ${text}` };
}

function when(isSo: boolean, path: readonly (string | number)[], text: string): Finding[] {
  return isSo ? [at(path, text)] : [];
}

function lossProblems({ losses, teachers, data, labels }: Recipe): Finding[] {
  const { crossEntropy, response } = losses;
  const isEmpty = crossEntropy === undefined && response === undefined;
  const isOff = (crossEntropy?.weight ?? 0) === 0 && (response?.weight ?? 0) === 0;
  const hasTask = crossEntropy !== undefined && crossEntropy.weight > 0 && data.train.labels === undefined;
  return [
    ...when(isEmpty, ['losses'], 'no term given; crossEntropy, response or both wanted'),
    ...when(!isEmpty && isOff, ['losses'], 'every weight is 0; one above 0 wanted'),
    ...when(response !== undefined && teachers.length === 0 && labels.from === undefined, ['losses', 'response'], 'there is no teacher; at least one under teachers wanted'),
    ...when(hasTask && response === undefined, ['losses', 'crossEntropy'], 'the data has no labels; data.train.labels wanted'),
  ];
}

function lengthProblems({ batch, epochs, steps, evaluate, data }: Recipe): Finding[] {
  return [
    ...when(batch.micro !== undefined && batch.size < batch.micro, ['batch', 'micro'], `${batch.micro} given; at most batch.size (${batch.size}) wanted`),
    ...when(epochs === undefined && steps === undefined, ['epochs'], 'missing; epochs or steps wanted'),
    ...when(epochs !== undefined && steps !== undefined, ['steps'], 'given beside epochs; one of the two wanted'),
    ...when(evaluate.earlyStop !== undefined && data.eval === undefined, ['evaluate', 'earlyStop'], 'there is no evaluation set; data.eval wanted'),
  ];
}

function teacherProblems({ teachers, data }: Recipe): Finding[] {
  const twice = teachers.flatMap(({ name }, i) => when(teachers.findIndex((other) => other.name === name) < i, ['teachers', i, 'name'], `"${name}" given twice; a name of its own wanted`));
  const isOff = teachers.length > 0 && teachers.every(({ weight }) => weight === 0);
  const unnamed = teachers.flatMap(({ classes }, i) => when(classes !== undefined && data.classNames === undefined, ['teachers', i, 'classes'], 'given without the names to bring them into the order of; data.classNames wanted'));
  return [...twice, ...unnamed, ...when(isOff, ['teachers'], 'all weights are 0; at least one above 0 wanted')];
}

function keptLabelProblems({ labels }: Recipe): Finding[] {
  return [
    ...when(labels.wait && !labels.cache, ['labels', 'wait'], 'true given beside cache: false; labels that are kept wanted'),
    ...fileLabelProblems(labels),
  ];
}

function fileLabelProblems(labels: Recipe['labels']): Finding[] {
  return when(labels.from !== undefined && labels.precision !== 'float32', ['labels', 'precision'], `${labels.precision} given beside from, whose labels are used as they are; float32 wanted`);
}

function dataProblems({ data, baseline }: Recipe): Finding[] {
  const { mean = [0], std = [1] } = data.preprocess ?? {};
  const sources = (['train', 'eval'] as const).flatMap((key) => {
    const source = data[key];
    if (source === undefined || source.format === 'csv') return [];
    if (source.images !== undefined && source.inputs !== undefined) return [at(['data', key, 'inputs'], 'given beside images; one of the two wanted')];
    return when(source.images === undefined && source.inputs === undefined, ['data', key, 'images'], 'missing; the file of images (or inputs) wanted');
  });
  return [
    ...sources,
    ...when(data.classNames !== undefined && new Set(data.classNames).size < data.classNames.length, ['data', 'classNames'], 'a name given twice; a name of its own for each class wanted'),
    ...when(data.classNames !== undefined && data.classes !== undefined && data.classNames.length !== data.classes, ['data', 'classNames'], `${data.classNames?.length} names given; ${data.classes} wanted, as data.classes says`),
    ...when(baseline && data.train.labels === undefined, ['baseline'], 'the data has no labels to train on alone; data.train.labels wanted'),
    ...when(mean.length === 0, ['data', 'preprocess', 'mean'], 'empty; a number for all channels or one for each wanted'),
    ...when(std.length === 0, ['data', 'preprocess', 'std'], 'empty; a number for all channels or one for each wanted'),
    ...when(mean.length > 1 && std.length > 1 && mean.length !== std.length, ['data', 'preprocess', 'std'], `${std.length} values given; ${mean.length} wanted, as in mean`),
  ];
}

function labelWarnings({ data, losses }: Recipe): Finding[] {
  const isIdle = data.train.labels === undefined && (losses.crossEntropy?.weight ?? 0) > 0;
  return [
    ...when(isIdle, ['losses', 'crossEntropy'], 'the data has no labels, so the term is 0 for every sample'),
    ...when(data.eval !== undefined && data.eval.labels === undefined, ['data', 'eval'], 'no labels: accuracy cannot be told'),
    ...(['train', 'eval'] as const).flatMap((key) => when(data[key]?.labelled !== undefined && data[key]?.labels === undefined, ['data', key, 'labelled'], 'there are no labels to keep')),
  ];
}

function teacherWarnings({ teachers, losses, baseline }: Recipe): Finding[] {
  return [
    ...when(losses.response === undefined && teachers.length > 0, ['teachers'], 'no loss term uses them; they are evaluated only'),
    ...when(baseline && teachers.length === 0, ['baseline'], 'there are no teachers: the run is its own baseline'),
  ];
}

function temperatureWarnings({ teachers, losses }: Recipe): Finding[] {
  const given = [
    ...(losses.response === undefined ? [] : [{ path: ['losses', 'response', 'temperature'], t: losses.response.temperature }]),
    ...teachers.flatMap(({ temperature }, i) => (temperature === undefined ? [] : [{ path: ['teachers', i, 'temperature'], t: temperature }])),
  ];
  return given.filter(({ t }) => t < 1 || t > 20).map(({ path, t }) => at(path, `${t} given; 1 to 20 is usual (too high makes labels uniform, too low makes them hard)`));
}

/** The total loss written out, every factor visible: weights as they are, T^2, shares of the ensemble, temperatures. */
export function describeLosses({ losses, teachers, ensemble, labels }: Recipe): string[] {
  const terms: string[] = [];
  if (losses.crossEntropy !== undefined) terms.push(`${losses.crossEntropy.weight} x crossEntropy`);
  if (losses.response !== undefined) {
    const { weight, temperature } = losses.response;
    terms.push(`${weight} x ${temperature * temperature} x KL(ensemble || student at T=${temperature})`);
  }
  if (labels.from !== undefined) return [`total = ${terms.join(' + ')}`, `ensemble = the labels in ${labels.from}`];
  const sum = teachers.reduce((total, { weight }) => total + weight, 0);
  const shares = teachers.map(({ name, weight, temperature }) => `${(weight / (sum || 1)).toFixed(4)} x ${name}${temperature === undefined ? '' : ` at T=${temperature}`}`);
  return [`total = ${terms.join(' + ')}`, ...(shares.length === 0 ? [] : [`ensemble (${ensemble.combine}) = ${shares.join(' + ')}`])];
}

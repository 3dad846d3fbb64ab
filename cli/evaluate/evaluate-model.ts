/** `eval`: a model of any format on a recipe's evaluation set. Models are opened as teachers are: inference only. */
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { openSource } from '../prepare/sources/chosen-source.js';
import { normalise } from '../../shared/data/samples.js';
import { UserError } from '../../shared/errors.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { hasVectors, taskOf, type Task } from '../../shared/task.js';
import { wilsonInterval, type Interval } from '../../shared/figures/statistics.js';
import { agreement, classifierReport, type ClassifierReport } from '../../shared/figures/classification.js';
import { sequenceReport, sequenceText, type SequenceReport } from './evaluate-sequences.js';
import { multiLabelReport, regressionReport, targetText, withTargets, type TargetReport } from './evaluate-targets.js';
import type { JudgedVectors } from '../../shared/figures/vectors.js';
import { logitOf } from '../../worker/compute/teachers/mixture.js';
import { Ensemble } from '../../worker/compute/teachers/ensemble.js';
import { compareOnSamples, type PairedComparison } from '../../shared/figures/significance.js';
import { inspectTeacher } from '../prepare/teacher.js';
import { openWasmTensorFlow } from '../prepare/tensorflow.js';

export interface EvaluateOptions {
  /** Run folder, model.json, GraphModel or ONNX file. */
  readonly model: string;
  /** Another model, for agreement. */
  readonly teacher: string | undefined;
  /** Another model, to compare with sample by sample. */
  readonly against?: string | undefined;
  readonly recipe: Recipe;
  readonly recipeFolder: string;
}

export interface EvaluationReport extends ClassifierReport {
  /** Share of samples on which model and teacher predict the same class. */
  readonly agreement?: number;
  /** Of the accuracy, at 95 %. */
  readonly accuracyInterval: Interval;
  /** By class: share of its samples that are predicted right; null where there is none. The interval is at 95 %. */
  readonly perClass: readonly ClassAccuracy[];
  readonly against?: PairedComparison;
}

export type AnyReport = EvaluationReport | TargetReport | SequenceReport;

export interface ClassAccuracy {
  readonly samples: number;
  readonly accuracy: number | null;
  readonly interval: Interval;
}

interface Data {
  readonly inputs: Float32Array;
  readonly labels: Int32Array;
  /** [samples x classes]; empty where samples have classes. */
  readonly vectors: Float32Array;
  readonly task: Task;
  readonly samples: number;
  /** Of a sequence. */
  readonly positions: number | undefined;
  readonly shape: readonly number[];
  readonly classes: number;
}

const rows = 64;

/** @throws UserError 2 or 65 for what is missing, damaged or does not fit */
export async function evaluateModel(options: EvaluateOptions): Promise<AnyReport> {
  const data = await readEvaluationSet(options);
  const task = taskOf(options.recipe);
  if (hasVectors(task)) return evaluateOnTargets(task, data, options);
  if (data.positions !== undefined) return evaluateSequences(data.positions, data, options);
  const logits = await logitsOfFile(await modelFile(options.model), data);
  const report = withIntervals(classifierReport(logits, data.labels, data.classes));
  const other = async (path: string): Promise<Float32Array> => logitsOfFile(await modelFile(path), data);
  return {
    ...report,
    ...(options.teacher === undefined
      ? {}
      : { agreement: agreement(logits, await other(options.teacher), data.classes) }),
    ...(options.against === undefined
      ? {}
      : { against: compareOnSamples(logits, await other(options.against), data.labels, data.classes) }),
  };
}

async function evaluateSequences(
  positions: number,
  data: Data,
  { model, teacher, against }: EvaluateOptions,
): Promise<SequenceReport> {
  const logitsOf = async (path: string): Promise<Float32Array> => logitsOfFile(await modelFile(path), data);
  const other = async (path: string | undefined): Promise<Float32Array | null> =>
    path === undefined ? null : logitsOf(path);
  return sequenceReport({
    logits: await logitsOf(model),
    labels: data.labels,
    positions,
    classes: data.classes,
    teacher: await other(teacher),
    against: await other(against),
  });
}

async function evaluateOnTargets(
  task: TargetReport['task'],
  data: Data,
  { model, teacher, against }: EvaluateOptions,
): Promise<TargetReport> {
  const outputsOf = async (path: string | undefined): Promise<JudgedVectors | null> => {
    if (path === undefined) return null;
    const outputs = await logitsOfFile(await modelFile(path), data);
    const isProbable = task === 'multiLabel' && outputs.every((value) => value >= 0 && value <= 1);
    return withTargets({
      outputs: isProbable ? logitOf(outputs) : outputs,
      vectors: data.vectors,
      labels: data.labels,
      width: data.classes,
    });
  };
  const judged = await outputsOf(model);
  if (judged === null) throw new Error('no model to evaluate');
  const others = {
    teacher: (await outputsOf(teacher))?.outputs ?? null,
    against: (await outputsOf(against))?.outputs ?? null,
  };
  return task === 'regression' ? regressionReport(judged, others) : multiLabelReport(judged, others);
}

/** The report with 95 % intervals, which its confusion matrix gives. */
export function withIntervals(report: ClassifierReport): EvaluationReport {
  const perClass = report.confusion.map((row, k): ClassAccuracy => {
    const samples = row.reduce((sum, count) => sum + count, 0);
    const right = row[k] ?? 0;
    return { samples, accuracy: samples === 0 ? null : right / samples, interval: wilsonInterval(right, samples) };
  });
  const right = report.confusion.reduce((sum, row, k) => sum + (row[k] ?? 0), 0);
  return { ...report, accuracyInterval: wilsonInterval(right, report.samples), perClass };
}

async function modelFile(path: string): Promise<string> {
  const found = await stat(path).catch(() => null);
  if (found === null) throw new UserError(`${path}: no such file; a run folder or a model was wanted`);
  const inRun = join(path, 'student', 'model.json');
  return resolve(found.isDirectory() && (await stat(inRun).catch(() => null)) !== null ? inRun : path);
}

async function readEvaluationSet({ recipe, recipeFolder }: EvaluateOptions): Promise<Data> {
  if (recipe.data.eval === undefined) throw new UserError('data.eval: missing; an evaluation set was wanted');
  const { train, classNames } = recipe.data;
  const names =
    classNames ?? (train.format === 'folder' ? (await openSource(train, recipeFolder)).classNames : undefined);
  const source = await openSource(recipe.data.eval, recipeFolder, { classNames: names });
  const inputs = Float32Array.from(await source.read(0, source.samples));
  await source.close();
  normalise(inputs, source.shape.at(-1) ?? 1, recipe.data.preprocess ?? null);
  const task = taskOf(recipe);
  if (task === 'sequence' && source.positions === undefined)
    throw new UserError('data.eval.labels: missing, or one a sample; labels of [samples, positions] were wanted');
  if (hasVectors(task) && source.targets === undefined)
    throw new UserError('data.eval.targets: missing; an evaluation set with targets was wanted');
  const classes =
    source.targets?.width ??
    recipe.data.classes ??
    names?.length ??
    source.labels.reduce((most, label) => Math.max(most, label), -1) + 1;
  return {
    inputs,
    labels: source.labels,
    vectors: source.targets?.values ?? new Float32Array(0),
    task,
    samples: source.samples,
    positions: source.positions,
    shape: source.shape,
    classes,
  };
}

async function logitsOfFile(
  path: string,
  { inputs, samples, positions, shape, classes, task }: Data,
): Promise<Float32Array> {
  const recipe = { name: 'model', model: path, weight: 1, output: 'logits' as const };
  const expected = { inputShape: shape, task, classes, positions, preprocess: null };
  const { spec, paths } = await inspectTeacher(recipe, expected, { folder: '.' });
  const ensemble = await Ensemble.open([spec], new Map(paths), {
    combine: 'logits',
    rows,
    inputShape: [...shape],
    openTensorFlow: openWasmTensorFlow,
  });
  const size = shape.reduce((product, dim) => product * dim, 1);
  const width = classes * (positions ?? 1);
  const logits = new Float32Array(samples * width);
  for (let from = 0; from < samples; from += rows) {
    const to = Math.min(samples, from + rows);
    const found = (await ensemble.logits(inputs.slice(from * size, to * size), to - from)).get('model');
    if (found !== undefined) logits.set(found, from * width);
  }
  await ensemble.dispose();
  return logits;
}

/** For people: figures, then the confusion matrix. */
export function evaluationText(name: string, report: AnyReport, classNames: readonly string[] = []): string {
  if ('task' in report)
    return report.task === 'sequence' ? sequenceText(name, report, classNames) : targetText(name, report, classNames);
  const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
  const between = ({ low, high }: Interval): string => `(95 %: ${percent(low)} to ${percent(high)})`;
  const width = Math.max(5, ...report.confusion.flat().map((count) => String(count).length + 1));
  const line = (cells: readonly (string | number)[]): string =>
    cells.map((cell) => String(cell).padStart(width)).join('');
  return [
    `${name}: ${report.samples} samples`,
    `accuracy ${percent(report.accuracy)} ${between(report.accuracyInterval)}   top-5 ${percent(report.top5)}   loss ${report.loss.toFixed(4)}   calibration error ${percent(report.calibrationError)}`,
    ...(report.agreement === undefined ? [] : [`agreement with the teacher ${percent(report.agreement)}`]),
    ...(report.against === undefined ? [] : [againstText(report.against)]),
    ...report.perClass.map(
      ({ samples, accuracy, interval }, k) =>
        `class ${k}: ${accuracy === null ? 'no samples' : `${percent(accuracy)} ${between(interval)} of ${samples}`}`,
    ),
    'confusion (rows: label, columns: prediction)',
    line(['', ...report.confusion.map((_, k) => k)]),
    ...report.confusion.map((row, k) => line([k, ...row])),
  ].join('\n');
}

function againstText({ onlyFirst, onlySecond, difference, p }: PairedComparison): string {
  const points = `${difference < 0 ? '' : '+'}${(difference * 100).toFixed(2)}`;
  return `against the other model ${points} points: ${onlyFirst} samples right here alone, ${onlySecond} there alone; p = ${p.toPrecision(3)} (exact McNemar test)`;
}

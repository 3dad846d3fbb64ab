/**
 * From a checked recipe to a run that can start: shards written, models inspected, everything digested. What is wrong
 * with the user's files is said here, before any worker is let in. The parts that know tfjs and file formats are handed
 * in, since the coordinator may not import them.
 */
import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { exitCodes, UserError } from '../../shared/errors.js';
import { imageOperations } from '../../shared/data/augment.js';
import type { ShardOptions, WrittenData } from './shards.js';
import type { DataSet, Manifest } from '../../shared/data/manifest.js';
import { cutLabelFile } from './cut-labels.js';
import { labelKinds } from '../../shared/labels/sets.js';
import type { StudentSpec } from '../../shared/models/student-spec.js';
import { layersOf } from '../../shared/models/topology.js';
import { pluginDigests, type InstalledPlugins } from '../../shared/recipe/plugins.js';
import type { Artifact, TeacherSpec } from '../../shared/protocol/messages.js';
import { lossSchema } from '../../shared/recipe/loss-schema.js';
import type { Preprocess, Recipe, SourceRecipe, TeacherRecipe } from '../../shared/recipe/schema.js';
import { hasVectors, taskOf, widthText, type Task } from '../../shared/task.js';
import { hardTerms, needsOf, termsIn } from '../../shared/recipe/terms.js';
import type { ArtifactSource } from '../../coordinator/server/artifacts.js';
import { weightsDigest } from '../../coordinator/reports/summary.js';
import type { PreparedRun } from '../../coordinator/plan/prepared-run.js';
import { unitsOf } from '../../coordinator/plan/units-of.js';

/** What a model must fit. */
export interface Expected {
  /** One sample of the data, channels last. */
  readonly inputShape: readonly number[];
  readonly classes: number;
  readonly task: Task;
  /** Of a sequence, at each of which a model gives its classes. */
  readonly positions?: number | undefined;
  readonly seed: number;
  readonly classNames?: readonly string[] | undefined;
  /** What the student's samples go through. */
  readonly preprocess?: Preprocess | null;
}

/** A tap of a model and one sample's shape. */
export interface TapShape {
  readonly name: string;
  readonly shape: readonly number[];
}

interface PlannedStudent {
  readonly spec: StudentSpec;
  readonly weights: ReadonlyMap<string, Float32Array>;
}

export interface PrepareTools {
  readonly inspectStudent: (
    student: Recipe['student'],
    folder: string,
    expected: Expected,
  ) => Promise<{ spec: StudentSpec; weights: ReadonlyMap<string, Float32Array> }>;
  /** `taps`: shapes of the inner values that the recipe's losses compare with. */
  readonly inspectTeacher: (
    teacher: TeacherRecipe,
    folder: string,
    expected: Expected,
    recipe: Recipe,
  ) => Promise<{
    spec: TeacherSpec;
    paths: ReadonlyMap<string, string>;
    warnings: readonly string[];
    taps: readonly TapShape[];
  }>;
  /** Pairs of taps by name, and the student with the adapters that they need. */
  readonly planTaps: (
    recipe: Recipe,
    student: PlannedStudent,
    teachers: ReadonlyMap<string, readonly TapShape[]>,
  ) => Promise<{ recipe: Recipe; student: PlannedStudent }>;
  /** Reads a source and writes its shards, each to `out/<sha256>`. Labels: -1 for none. */
  readonly writeShards: (
    source: SourceRecipe,
    folder: string,
    out: string,
    options: ShardOptions,
  ) => Promise<WrittenData>;
  readonly epochOrder: (
    dataSet: DataSet,
    seed: number,
    epoch: number,
    shuffle: boolean,
  ) => { at(position: number): number };
}

export interface PrepareOptions {
  readonly recipe: Recipe;
  /** What paths in the recipe are relative to. */
  readonly recipeFolder: string;
  readonly name: string;
  /** Where shards go; shared between runs, since they are named by content. */
  readonly shardFolder: string;
  readonly tools: PrepareTools;
  /** On this machine. */
  readonly plugins?: InstalledPlugins;
  readonly warn: (text: string) => void;
}

/** @throws UserError 2 when files and recipe do not fit each other, 65 when a file is damaged */
export async function prepareRun(options: PrepareOptions): Promise<PreparedRun> {
  const { recipe: given, recipeFolder, name } = options;
  const plugins = await pluginDigests(given.losses, options.plugins ?? new Map());
  const data = await prepareData(options);
  const expected: Expected = {
    inputShape: data.manifest.train.shape,
    classes: data.manifest.classes,
    task: taskOf(given),
    positions: data.manifest.train.positions,
    seed: given.seed,
    classNames: data.classNames,
    preprocess: data.manifest.preprocess,
  };
  const inspected = await options.tools.inspectStudent(given.student, recipeFolder, expected);
  checkExits(given, inspected.spec);
  checkTokens(given, inspected.spec);
  const teachers = await prepareTeachers(options, expected);
  const { recipe, student } = await options.tools.planTaps(given, inspected, teachers.taps);
  const artifacts = new Map<string, ArtifactSource>([...data.artifacts, ...teachers.artifacts]);
  const studentArtifact = addJson(artifacts, student.spec);
  const manifestArtifact = addJson(artifacts, data.manifest);
  return {
    recipe,
    recipeFolder,
    name,
    student: student.spec,
    initialWeights: student.weights,
    teachers: teachers.specs,
    plugins,
    artifacts,
    studentArtifact,
    manifestArtifact,
    manifest: data.manifest,
    trainLabels: data.labels,
    trainWeights: data.weights,
    sampleAt: sampler(options.tools, recipe, data.manifest.train),
    recipeDigest: digestOf({
      recipe,
      student: studentArtifact.sha256,
      weights: weightsDigest(student.weights),
      teachers: teachers.specs.map(({ canary: _, ...spec }) => spec),
      data: manifestArtifact.sha256,
      ...(plugins.length === 0 ? {} : { plugins }),
    }),
  };
}

/** @throws UserError 2 when a loss asks for exits that the student does not have */
function checkExits({ losses }: Recipe, { exits }: StudentSpec): void {
  const term = termsIn(losses).find((name) => needsOf(losses, name).exits);
  if (term !== undefined && exits === undefined)
    throw new UserError(
      `losses.${term}: the student has one output; earlier exits wanted (student.exits: true, or a model with several outputs)`,
    );
}

/** @throws UserError 2 when numbers of tokens would be made others */
function checkTokens({ data: { augment } }: Recipe, { topology }: StudentSpec): void {
  const operation = (['noise', 'mixup'] as const).find((key) => augment?.[key] !== undefined);
  const reader =
    operation === undefined ? undefined : layersOf(topology).find(({ className }) => className === 'Embedding');
  if (reader !== undefined)
    throw new UserError(
      `data.augment.${operation}: the student's layer "${reader.name}" reads numbers of tokens, which have no values between them; no ${operation} wanted`,
    );
}

interface PreparedData {
  readonly manifest: Manifest;
  readonly labels: Int32Array;
  readonly weights: Float32Array | undefined;
  readonly classNames: readonly string[] | undefined;
  readonly artifacts: ReadonlyMap<string, ArtifactSource>;
}

async function prepareData({ recipe, recipeFolder, shardFolder, tools }: PrepareOptions): Promise<PreparedData> {
  const { classNames: given, shardSamples, unlabelled } = recipe.data;
  const train = await tools.writeShards(recipe.data.train, recipeFolder, shardFolder, {
    shardSamples,
    classNames: given,
    unlabelled,
  });
  const classNames = given ?? train.classNames;
  const evaluation =
    recipe.data.eval === undefined
      ? null
      : await tools.writeShards(recipe.data.eval, recipeFolder, shardFolder, { shardSamples, classNames });
  if (train.dataSet.samples === 0) throw new UserError('data.train: no samples', exitCodes.data);
  if (evaluation !== null && evaluation.dataSet.shape.join() !== train.dataSet.shape.join()) {
    throw new UserError(
      `data.eval: samples of shape [${evaluation.dataSet.shape.join(', ')}]; data.train has [${train.dataSet.shape.join(', ')}]`,
    );
  }
  checkAugment(recipe, train.dataSet.shape);
  const classes = widthOf(recipe, classNames, train, evaluation);
  checkTold('data.train', recipe, train, classes);
  if (evaluation !== null) checkTold('data.eval', recipe, evaluation, classes);
  const [own, other] = [train.dataSet.positions, evaluation?.dataSet.positions];
  if (own !== undefined && other !== undefined && own !== other)
    throw new UserError(`data.eval: sequences of ${other} positions; ${own} wanted, as data.train has`);
  checkMixture(recipe, train.labels);
  const sets = evaluation === null ? [train.dataSet] : [train.dataSet, evaluation.dataSet];
  const artifacts = new Map<string, ArtifactSource>(
    sets.flatMap(({ shards }) => shards.map(({ sha256 }) => [sha256, { path: join(shardFolder, sha256) }] as const)),
  );
  const labels =
    recipe.labels.from === undefined || labelKinds(recipe).length === 0
      ? undefined
      : await cutLabelFile(resolve(recipeFolder, recipe.labels.from), shardFolder, recipe, {
          train: train.dataSet,
          classes,
        });
  for (const { sha256 } of labels?.blocks ?? []) artifacts.set(sha256, { path: join(shardFolder, sha256) });
  const manifest: Manifest = {
    ...(labels === undefined ? {} : { labels }),
    train: train.dataSet,
    eval: evaluation?.dataSet ?? null,
    ...(recipe.data.task === undefined ? {} : { task: recipe.data.task }),
    classes,
    preprocess: recipe.data.preprocess ?? null,
  };
  return { manifest, labels: train.labels, weights: train.weights, artifacts, classNames };
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
      throw new UserError(`data.augment.${key}: ${augment[key]} given; less than the images' ${least} pixels wanted`);
  }
}

/**
 * Numbers that student and teachers give: classes, or those of a target. @throws UserError 2 where the data does not
 * tell, or says twice
 */
function widthOf(
  recipe: Recipe,
  classNames: readonly string[] | undefined,
  train: WrittenData,
  evaluation: WrittenData | null,
): number {
  const task = taskOf(recipe);
  if (!hasVectors(task)) return classesOf(recipe, classNames, train.labels, evaluation?.labels ?? new Int32Array(0));
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

/** As the recipe says, else one more than the greatest label. */
function classesOf(
  recipe: Recipe,
  classNames: readonly string[] | undefined,
  ...labels: readonly Int32Array[]
): number {
  const given =
    recipe.data.classes ?? classNames?.length ?? ('builtin' in recipe.student ? recipe.student.classes : undefined);
  const found = labels.reduce((most, values) => values.reduce((max, label) => Math.max(max, label), most), -1) + 1;
  if (given === undefined && found === 0)
    throw new UserError('data.classes is needed: the data has no labels to count classes by');
  return given ?? found;
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
      `${where}: labels of ${positions} positions a sample; one a sample wanted, or data.task sequence`,
    );
  if (!hasVectors(task)) return checkLabels(where, labels, classes, positions);
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
  const isTaught = termsIn(recipe.losses).some((term) => needsOf(recipe.losses, term).over === 'labelled');
  if (bare >= 0 && isTaught)
    throw new UserError(
      `data.augment.mixup: sample ${bare} has no target to mix; targets of all samples wanted (data.train.onlyLabelled, and no data.unlabelled), or no mixup`,
    );
}

function checkLabels(where: string, labels: Int32Array, classes: number, positions = 1): void {
  const at = labels.findIndex((label) => label >= classes);
  if (at >= 0)
    throw new UserError(
      `${where}: sample ${Math.floor(at / positions)} has label ${labels[at]}${positions === 1 ? '' : ` at position ${at % positions}`}; with ${classes} classes labels go from 0 to ${classes - 1}`,
      exitCodes.data,
    );
}

async function prepareTeachers(
  { recipe, recipeFolder, tools, warn }: PrepareOptions,
  expected: Expected,
): Promise<{ specs: TeacherSpec[]; artifacts: Map<string, ArtifactSource>; taps: Map<string, readonly TapShape[]> }> {
  const specs: TeacherSpec[] = [];
  const taps = new Map<string, readonly TapShape[]>();
  const artifacts = new Map<string, ArtifactSource>();
  for (const teacher of recipe.teachers) {
    const { spec, paths, warnings, taps: found } = await tools.inspectTeacher(teacher, recipeFolder, expected, recipe);
    taps.set(teacher.name, found);
    for (const warning of warnings) warn(warning);
    for (const [sha256, path] of paths) artifacts.set(sha256, { path });
    specs.push(spec);
  }
  return { specs, artifacts, taps };
}

/** Keeps the order of the epoch that was asked for last. */
function sampler({ epochOrder }: PrepareTools, recipe: Recipe, dataSet: DataSet): PreparedRun['sampleAt'] {
  let current = { epoch: -1, order: { at: (position: number) => position } };
  return (epoch, position) => {
    if (current.epoch !== epoch)
      current = { epoch, order: epochOrder(dataSet, recipe.seed, epoch, recipe.data.shuffle) };
    return current.order.at(position);
  };
}

function addJson(artifacts: Map<string, ArtifactSource>, value: unknown): Artifact {
  const bytes = Buffer.from(JSON.stringify(value));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  artifacts.set(sha256, { bytes });
  return { sha256, bytes: bytes.length };
}

/** SHA-256 of the value as JSON with sorted keys. */
export function digestOf(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(value)))
    .digest('hex');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  );
}

/**
 * The recipe of the student trained alone: same seed, same number of steps, the labelled samples and the term of their
 * labels.
 * @throws UserError (2) when nothing is labelled
 */
export function baselineRecipe(run: PreparedRun): Recipe {
  const {
    recipe,
    trainLabels,
    manifest: {
      train: { positions = 1 },
    },
  } = run;
  const labelled = new Set(
    Array.from(trainLabels.keys())
      .filter((at) => (trainLabels[at] ?? -1) >= 0)
      .map((at) => Math.floor(at / positions)),
  ).size;
  if (labelled === 0) throw new UserError('baseline: the training data has no labels to train on alone');
  const { stepsPerEpoch, totalSteps } = unitsOf(run);
  const ownStepsPerEpoch = Math.ceil(labelled / recipe.batch.size);
  const everyEpochs = Math.max(1, Math.round((stepsPerEpoch * recipe.evaluate.everyEpochs) / ownStepsPerEpoch));
  const { epochs: _epochs, ...rest } = recipe;
  const { unlabelled: _unlabelled, ...labelledData } = recipe.data;
  return {
    ...rest,
    student: withoutExits(recipe.student),
    teachers: [],
    losses: aloneLosses(recipe),
    baseline: false,
    steps: totalSteps,
    evaluate: { everyEpochs },
    data: { ...labelledData, train: { ...recipe.data.train, onlyLabelled: true } },
  };
}

/** The term of the task's targets, with weight 1 and all else as the recipe says. */
function aloneLosses(recipe: Recipe): Recipe['losses'] {
  const term = hardTerms[taskOf(recipe)];
  return lossSchema.parse({ [term]: { ...recipe.losses[term], weight: 1 } });
}

/** A built-in student is trained alone without exits that nothing would train. */
function withoutExits(student: Recipe['student']): Recipe['student'] {
  if (!('builtin' in student)) return student;
  const { exits: _, ...rest } = student;
  return rest;
}

/** From the data that a recipe names to shards on the disk and the manifest that workers read them by. */
import { join, resolve } from 'node:path';
import type { ArtifactSource } from '../../coordinator/server/artifacts.js';
import type { DataSet, FileLabelsIndex, Manifest } from '../../shared/data/manifest.js';
import { Routes } from '../../shared/data/routes.js';
import { labelKinds } from '../../shared/labels/kinds.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { cutLabelFile } from './cut-labels.js';
import { checkLabels, checkSamples, type DataSets } from './data-checks.js';
import { dataRemarks } from './data-remarks.js';
import { widthOf } from './data-width.js';
import { isRemote } from './remote/list.js';
import { RemoteFiles } from './remote/remote-files.js';
import type { Part } from './sources/source.js';
import { indexedShards } from './data-index.js';
import { routesOf, routeText, type PreparedRoutes } from './routes.js';
import type { ValueRange } from './shards.js';

export interface DataOptions {
  readonly recipe: Recipe;
  /** What paths in the recipe are relative to. */
  readonly recipeFolder: string;
  /** Where shards and blocks of labels go; runs share it, since files in it are named by their content. */
  readonly shardFolder: string;
  /** Called with each line for the user about what looks odd. */
  readonly warn: (text: string) => void;
  /** Called with each line for the user about what was chosen. */
  readonly note: (text: string) => void;
  /** The files of other machines. Default: those that the user's cache and environment give access to. */
  readonly remote?: RemoteFiles | undefined;
}

export interface PreparedData {
  readonly manifest: Manifest;
  /** [samples], or [samples x positions], of the training set; -1 for none. */
  readonly labels: Int32Array;
  /** Sample weights, of the same shape as the labels; undefined where all are 1. */
  readonly weights: Float32Array | undefined;
  /** Who labels each training sample; null where all teachers do. */
  readonly routes: Routes | null;
  /** By class number; undefined where neither the recipe nor the data's format tells. */
  readonly classNames: readonly string[] | undefined;
  /** What a sample's numbers are, one part after the other; undefined where they have no names. */
  readonly parts: readonly Part[] | undefined;
  /** The least and the greatest number of the raw training samples. */
  readonly inputRange: ValueRange;
  /** The files that the manifest names, by SHA-256. */
  readonly artifacts: ReadonlyMap<string, ArtifactSource>;
}

/**
 * Reads the recipe's data, checks it and writes its shards.
 * @throws UserError 2 when data and recipe do not fit each other, 65 when a file is damaged, 69 when the disk takes no
 * more
 */
export async function prepareData(options: DataOptions): Promise<PreparedData> {
  const { recipe, shardFolder, warn, note } = options;
  const sets = await writeSets(options);
  const { train, evaluation } = sets;
  for (const { text, isOdd } of [...train.notes, ...(evaluation?.notes ?? [])]) (isOdd ? warn : note)(text);
  const classNames = recipe.data.classNames ?? train.classNames;
  checkSamples(recipe, sets);
  const classes = widthOf(recipe, classNames, sets);
  checkLabels(recipe, sets, classes);
  dataRemarks(recipe, sets, { count: classes, names: classNames }).forEach((text) => warn(text));
  const labels = await cutLabels(options, train, classes);
  const routes = routesOf(recipe, 'data.train', train);
  const ofEvaluation = evaluation === null ? null : routesOf(recipe, 'data.eval', evaluation);
  if (routes !== null) note(routeText(recipe, routes));
  const manifest: Manifest = {
    ...(labels === null ? {} : { labels }),
    train: routed(train.dataSet, routes),
    eval: evaluation === null ? null : routed(evaluation.dataSet, ofEvaluation),
    ...(recipe.data.task === undefined ? {} : { task: recipe.data.task }),
    classes,
    preprocess: recipe.data.preprocess ?? null,
  };
  const files = filesOf(manifest).map((sha256) => [sha256, { path: join(shardFolder, sha256) }] as const);
  const tables = [routes, ofEvaluation].flatMap((found) =>
    found === null ? [] : [[found.routes.sha256, { bytes: Buffer.from(found.bytes) }] as const],
  );
  const artifacts = new Map<string, ArtifactSource>([...files, ...tables]);
  return {
    manifest,
    labels: train.labels,
    weights: train.weights,
    routes: routes === null ? null : new Routes(routes.routes.teachers, routes.bytes),
    classNames,
    parts: train.parts,
    inputRange: train.inputRange,
    artifacts,
  };
}

/** The same data set, with who labels its samples. */
function routed(dataSet: DataSet, found: PreparedRoutes | null): DataSet {
  return found === null ? dataSet : { ...dataSet, routes: found.routes };
}

async function writeSets({ recipe, recipeFolder, shardFolder, remote }: DataOptions): Promise<DataSets> {
  const { data } = recipe;
  const routeColumn = recipe.ensemble.route?.column;
  const { shardSamples, classNames, unlabelled, task } = data;
  const train = await indexedShards(data.train, recipeFolder, shardFolder, {
    shardSamples,
    classNames,
    unlabelled,
    task,
    routeColumn,
    remote,
  });
  if (data.eval === undefined) return { train, evaluation: null };
  const names = { shardSamples, classNames: classNames ?? train.classNames, task, routeColumn, remote };
  return { train, evaluation: await indexedShards(data.eval, recipeFolder, shardFolder, names) };
}

/** @returns null for a recipe whose labels come from no file, or whose losses want none */
async function cutLabels(
  { recipe, recipeFolder, shardFolder, warn, remote = new RemoteFiles() }: DataOptions,
  { dataSet, labels, targets }: DataSets['train'],
  classes: number,
): Promise<FileLabelsIndex | null> {
  const { from } = recipe.labels;
  if (from === undefined || labelKinds(recipe).length === 0) return null;
  const vectors = targets?.values ?? new Float32Array(0);
  const file = isRemote(from) ? await remote.local(from) : resolve(recipeFolder, from);
  return cutLabelFile(file, shardFolder, {
    recipe,
    train: dataSet,
    classes,
    labels,
    vectors,
    warn,
  });
}

function filesOf({ train, eval: evaluation, labels }: Manifest): string[] {
  const files = [...train.shards, ...(evaluation?.shards ?? []), ...(labels?.blocks ?? [])];
  return files.map(({ sha256 }) => sha256);
}

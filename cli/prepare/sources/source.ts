/** A data set as the user has it on disk, opened by format: shape, labels, and rows on demand. */
import { isAbsolute, join } from 'node:path';
import type { SourceRecipe } from '../../../shared/recipe/schema.js';
import type { BesidePaths } from './beside.js';
import { openCsv } from './csv.js';
import { openFolder } from './folder.js';
import { openIdx } from './idx.js';
import { interleave } from './interleave.js';
import { openJsonl } from './jsonl.js';
import { openNpy } from './npy.js';
import { openParquet } from './parquet.js';
import type { Rows, Source, Targets } from './rows.js';

export interface SourceOptions {
  /** By class number, for labels that are names. */
  readonly classNames?: readonly string[] | undefined;
  /** Samples without labels that are mixed in. */
  readonly unlabelled?: SourceRecipe | undefined;
}

/** @throws UserError 2 for a missing file, 65 for one that is damaged */
export async function openSource(
  recipe: SourceRecipe,
  folder: string,
  { classNames, unlabelled }: SourceOptions = {},
): Promise<Source> {
  const source = await openOne(recipe, folder, classNames);
  return unlabelled === undefined ? source : interleave(source, await openOne(unlabelled, folder, undefined));
}

async function openOne(
  recipe: SourceRecipe,
  folder: string,
  classNames: readonly string[] | undefined,
): Promise<Source> {
  const path = (name: string): string => (isAbsolute(name) ? name : join(folder, name));
  const source = await open(recipe, path, classNames);
  const samples = Math.min(source.samples, recipe.limit ?? source.samples);
  const { positions = 1 } = source;
  const labels = source.labels.slice(0, samples * positions);
  if (recipe.labelled !== undefined) labels.fill(-1, Math.min(recipe.labelled, samples) * positions);
  const isImages = 'images' in recipe && recipe.images !== undefined;
  const chosen = {
    ...source,
    read: source.read.bind(source),
    close: source.close.bind(source),
    samples,
    shape: isImages ? withChannels(source.shape) : source.shape,
    labels,
    weights: source.weights?.slice(0, samples * positions),
    targets: rowsOf(source.targets, samples),
  };
  return recipe.onlyLabelled === true ? onlyLabelled(chosen) : chosen;
}

function rowsOf(targets: Targets | undefined, samples: number): Targets | undefined {
  return targets === undefined
    ? undefined
    : { width: targets.width, values: targets.values.slice(0, samples * targets.width) };
}

function chosenTargets(targets: Targets | undefined, ids: Uint32Array): Targets | undefined {
  return targets === undefined
    ? undefined
    : { width: targets.width, values: chosenRows(targets.values, ids, targets.width) };
}

/** [ids x width] */
function chosenRows<T extends Float32Array | Int32Array>(values: T, ids: Uint32Array, width: number): T {
  const chosen = values.slice(0, ids.length * width) as T;
  ids.forEach((id, row) => chosen.set(values.subarray(id * width, (id + 1) * width), row * width));
  return chosen;
}

/** The samples that have a label, in their order, wherever they stand. */
function onlyLabelled(source: Source): Source {
  const { positions = 1 } = source;
  const ids = Uint32Array.from(
    Array.from({ length: source.samples }, (_, id) => id).filter((id) =>
      source.labels.subarray(id * positions, (id + 1) * positions).some((label) => label >= 0),
    ),
  );
  const read = async (from: number, to: number): Promise<Rows> => {
    const wanted = ids.subarray(from, to);
    const first = wanted[0] ?? 0;
    const size = source.shape.reduce((product, dim) => product * dim, 1);
    const all = await source.read(first, (wanted.at(-1) ?? first - 1) + 1);
    const rows = all.slice(0, wanted.length * size);
    wanted.forEach((id, row) => rows.set(all.subarray((id - first) * size, (id - first + 1) * size), row * size));
    return rows;
  };
  return {
    ...source,
    samples: ids.length,
    targets: chosenTargets(source.targets, ids),
    labels: chosenRows(source.labels, ids, positions),
    weights: source.weights === undefined ? undefined : chosenRows(source.weights, ids, positions),
    read,
  };
}

function open(
  recipe: SourceRecipe,
  path: (name: string) => string,
  classNames: readonly string[] | undefined,
): Promise<Source> {
  switch (recipe.format) {
    case 'idx':
      return openIdx(path(recipe.images ?? recipe.inputs ?? ''), besidePaths(recipe, path));
    case 'npy':
      return openNpy(path(recipe.images ?? recipe.inputs ?? ''), besidePaths(recipe, path));
    case 'csv':
      return openCsv(path(recipe.inputs), recipe);
    case 'jsonl':
      return openJsonl(path(recipe.inputs), recipe, classNames);
    case 'parquet':
      return openParquet(path(recipe.inputs), recipe, classNames);
    case 'folder':
      return openFolder(path(recipe.images), recipe, classNames);
    default:
      return recipe satisfies never;
  }
}

function besidePaths(
  { labels, weights, targets, mask, paddingLabel }: Extract<SourceRecipe, { format: 'idx' | 'npy' }>,
  path: (name: string) => string,
): BesidePaths {
  const of = (name: string | undefined): string | undefined => (name === undefined ? undefined : path(name));
  return { labels: of(labels), weights: of(weights), targets: of(targets), mask: of(mask), paddingLabel };
}

/** An image of [height, width] gets its one channel. */
function withChannels(shape: readonly number[]): readonly number[] {
  return shape.length === 2 ? [...shape, 1] : shape;
}

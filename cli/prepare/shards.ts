/**
 * Cuts a source into shards, each a file named by its SHA-256: inputs row after row, labels (int32 LE, -1 for none),
 * weights (float32 LE) and target vectors (float32 LE) where samples have some.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataSet } from '../../shared/data/manifest.js';
import { ifThere } from '../../shared/files.js';
import { atWork } from '../../shared/long-work.js';
import type { SourceRecipe } from '../../shared/recipe/schema.js';
import { markUsed } from '../../shared/room.js';
import { sha256Of, sha256OfFile } from '../../shared/sha256.js';
import { elementsIn } from '../../shared/shape.js';
import { writeContent } from './content-files.js';
import { CountingColumns } from './counting-columns.js';
import { openSource, type SourceOptions } from './sources/chosen-source.js';
import { damaged } from './sources/file-errors.js';
import type { Note, Part, Rows, SampleRoutes, Source, SampleTargets } from './sources/source.js';

/** A data set whose shards lie on the disk, with what the run needs to know of each of its samples. */
export interface WrittenData {
  readonly dataSet: DataSet;
  /** [samples], or [samples x positions]; -1 for none. Where samples have targets: 0 for one that has, -1 for none. */
  readonly labels: Int32Array;
  /** Sample weights, of the same shape as the labels; absent where all are 1. */
  readonly weights?: Float32Array | undefined;
  /** Absent: samples have classes. */
  readonly targets?: SampleTargets | undefined;
  /** What `ensemble.route.column` says; absent: the recipe has none. */
  readonly routes?: SampleRoutes | undefined;
  /** By class number, where the format tells. */
  readonly classNames?: readonly string[] | undefined;
  /** The number of classes, where the format tells without names. */
  readonly classes?: number | undefined;
  /** What a sample's numbers are, one part after the other; absent where they have no names. */
  readonly parts?: readonly Part[] | undefined;
  /** What was left out or chosen while it was read, and what became of its shards. */
  readonly notes: readonly Note[];
  /** The least and the greatest number of the raw samples. */
  readonly inputRange: ValueRange;
}

/** A data set that was just read, or was found as it was then. */
export interface ReadData extends WrittenData {
  /** What messages call the source. */
  readonly file: string;
  /** The notes without those on shards: what another reading would tell again. */
  readonly sourceNotes: readonly Note[];
  /** Whether nothing was read but the files that the recipe names. */
  readonly isWhole: boolean;
}

export interface ValueRange {
  readonly least: number;
  readonly most: number;
}

export interface ShardOptions extends SourceOptions {
  /** Samples of a shard, unless those take more than 64 MiB; the last one may have fewer. */
  readonly shardSamples: number;
}

/** The most bytes of a shard of more than one sample. */
const shardBytes = 64 * 2 ** 20;

/**
 * Reads a source and writes its shards, each to `out/<sha256>`. A shard that lies there already is kept; one that is not
 * what its name says is written anew, which is told in a note. One shard at a time is in memory, beside the source's
 * annotations and what it needs to read a shard.
 * @param folder the recipe's folder, which the source's paths are relative to
 * @throws UserError 2 or 65 for the user's files, 69 when the disk takes no more
 */
export async function writeShards(
  recipe: SourceRecipe,
  folder: string,
  out: string,
  options: ShardOptions,
): Promise<ReadData> {
  await mkdir(out, { recursive: true });
  await atWork(`reading data (${recipe.format})`);
  const source = await openSource(recipe, folder, { spoolFolder: out, ...options });
  try {
    const shards: DataSet['shards'] = [];
    const damagedShards: string[] = [];
    let inputRange: ValueRange = { least: Infinity, most: -Infinity };
    const isVector = source.shape.length === 1 && source.shape[0] !== 1;
    const counting = isVector ? new CountingColumns(elementsIn(source.shape)) : null;
    const shardSamples = samplesOfShard(source, options.shardSamples);
    for (let from = 0; from < source.samples; from += shardSamples) {
      const to = Math.min(source.samples, from + shardSamples);
      await atWork(`reading ${source.file}`, { done: from, total: source.samples });
      const rows = await checkedRows(source, from, to);
      counting?.add(rows);
      inputRange = widened(inputRange, rows);
      const columns = encodeShard(source, rows, { from, to });
      const bytes = columns.reduce((sum, { length }) => sum + length, 0);
      shards.push({ sha256: await storeShard(columns, out, damagedShards), bytes, samples: to - from });
    }
    const { file, labels, weights, targets, routes, classNames, classes, parts } = source;
    const mended = damagedShards.map((path) => ({ text: `${path} was damaged, and is written anew`, isOdd: true }));
    const sourceNotes = [...(source.notes ?? []), ...countingNotes(source, counting)];
    const told = { file, labels, weights, targets, routes, classNames, classes, parts, sourceNotes };
    const isWhole = source.readsOthers?.() !== true;
    return { dataSet: dataSetOf(source, shards), ...told, notes: [...sourceNotes, ...mended], inputRange, isWhole };
  } finally {
    await source.close();
  }
}

/** Samples of a shard: as many as wanted, or as many as 64 MiB hold, but one at least. */
function samplesOfShard({ shape, dtype, positions = 1, weights, targets }: Source, wanted: number): number {
  const perPosition = weights === undefined ? 4 : 8;
  const inputBytes = elementsIn(shape) * (dtype === 'uint8' ? 1 : 4);
  const sampleBytes = inputBytes + perPosition * positions + 4 * (targets?.width ?? 0);
  return Math.max(1, Math.min(wanted, Math.floor(shardBytes / sampleBytes)));
}

function widened({ least, most }: ValueRange, rows: Rows): ValueRange {
  for (let i = 0; i < rows.length; i++) {
    const value = rows[i] ?? 0;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return { least, most };
}

function dataSetOf(source: Source, shards: DataSet['shards']): DataSet {
  const { samples, shape, dtype, labels, weights, positions, targets } = source;
  return {
    samples,
    shape: [...shape],
    dtype,
    ...(weights === undefined ? {} : { isWeighted: true }),
    ...(positions === undefined ? {} : { positions }),
    ...(targets === undefined ? {} : { targets: { width: targets.width, means: meansOf(targets, labels) } }),
    shards,
  };
}

/** The mean of each number of a target in float64, over the samples that have one; 0 where none has. */
function meansOf({ width, values }: SampleTargets, labels: Int32Array): number[] {
  const sums = new Array<number>(width).fill(0);
  let samples = 0;
  labels.forEach((label, row) => {
    if (label < 0) return;
    samples++;
    for (let k = 0; k < width; k++) sums[k] = (sums[k] ?? 0) + (values[row * width + k] ?? 0);
  });
  return sums.map((sum) => (samples === 0 ? 0 : sum / samples));
}

function countingNotes({ file, parts }: Source, counting: CountingColumns | null): Note[] {
  const columns = parts?.every(({ shape }) => elementsIn(shape) === 1) === true ? parts : undefined;
  return (counting?.found() ?? []).map(({ column, from }) => ({
    text: `${file}: ${columns === undefined ? `element ${column} of the samples` : `column ${columns[column]?.name}`} counts them from ${from}, as an index does; no such input wanted`,
    isOdd: true,
  }));
}

/**
 * The columns of a shard, one after the other.
 * @param rows the inputs of the samples [from, to)
 */
function encodeShard(source: Source, rows: Rows, { from, to }: { from: number; to: number }): Buffer[] {
  const { positions = 1, labels, weights, targets } = source;
  const columns: (Rows | undefined)[] = [
    rows,
    labels.subarray(from * positions, to * positions),
    weights?.subarray(from * positions, to * positions),
    targets?.values.subarray(from * targets.width, to * targets.width),
  ];
  return columns.flatMap((column) =>
    column === undefined ? [] : [Buffer.from(column.buffer, column.byteOffset, column.byteLength)],
  );
}

async function checkedRows(source: Source, from: number, to: number): Promise<Rows> {
  const rows = await source.read(from, to);
  if (!(rows instanceof Float32Array)) return rows;
  const size = elementsIn(source.shape);
  const bad = rows.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw damaged(
      source.file,
      `sample ${from + Math.floor(bad / size)} holds ${rows[bad]} at element ${bad % size}; finite numbers were wanted`,
    );
  return rows;
}

/** @param damaged gets the path of a shard that lay there and was not what its name says */
async function storeShard(columns: readonly Buffer[], out: string, damaged: string[]): Promise<string> {
  const sha256 = sha256Of(columns);
  const path = join(out, sha256);
  const there = await ifThere(sha256OfFile(path));
  if (there?.sha256 === sha256) {
    await markUsed(path);
    return sha256;
  }
  if (there !== null) damaged.push(path);
  await writeContent(out, sha256, columns);
  return sha256;
}

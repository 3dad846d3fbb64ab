/**
 * Cuts a source into shards, each a file named by its SHA-256: inputs row after row, labels (int32 LE, -1 for none),
 * weights (float32 LE) and target vectors (float32 LE) where samples have some.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCodes, storageProblem, UserError } from '../../shared/errors.js';
import type { SourceRecipe } from '../../shared/recipe/schema.js';
import { damaged } from './sources/files.js';
import type { DataSet } from '../../shared/data/manifest.js';
import type { Rows, Source, Targets } from './sources/rows.js';
import { openSource, type SourceOptions } from './sources/source.js';

export interface WrittenData {
  readonly dataSet: DataSet;
  /** [samples], or [samples x positions]; -1 for none. */
  readonly labels: Int32Array;
  /** As labels; absent: all are 1. */
  readonly weights?: Float32Array | undefined;
  /** Absent: samples have classes. */
  readonly targets?: Targets | undefined;
  /** By class number, where the format tells. */
  readonly classNames?: readonly string[] | undefined;
}

export interface ShardOptions extends SourceOptions {
  readonly shardSamples: number;
}

/**
 * Costs one shard of memory beyond the source. A shard that is there already is kept.
 * @throws UserError 2 or 65 for the user's files, 69 when `out` takes no more
 */
export async function writeShards(
  recipe: SourceRecipe,
  folder: string,
  out: string,
  options: ShardOptions,
): Promise<WrittenData> {
  await mkdir(out, { recursive: true });
  const source = await openSource(recipe, folder, options);
  try {
    const shards: DataSet['shards'] = [];
    const { positions = 1 } = source;
    for (let from = 0; from < source.samples; from += options.shardSamples) {
      const to = Math.min(source.samples, from + options.shardSamples);
      const bytes = encodeShard(
        await checkedRows(source, from, to),
        source.labels.subarray(from * positions, to * positions),
        source.weights?.subarray(from * positions, to * positions),
        targetsBetween(source.targets, from, to),
      );
      shards.push({ sha256: await store(bytes, out), bytes: bytes.length, samples: to - from });
    }
    const isWeighted = source.weights === undefined ? {} : { isWeighted: true };
    const targets =
      source.targets === undefined
        ? {}
        : { targets: { width: source.targets.width, means: meansOf(source.targets, source.labels) } };
    return {
      dataSet: {
        samples: source.samples,
        shape: [...source.shape],
        dtype: source.dtype,
        ...isWeighted,
        ...(source.positions === undefined ? {} : { positions }),
        ...targets,
        shards,
      },
      labels: source.labels,
      weights: source.weights,
      targets: source.targets,
      classNames: source.classNames,
    };
  } finally {
    await source.close();
  }
}

function targetsBetween(targets: Targets | undefined, from: number, to: number): Float32Array | undefined {
  return targets?.values.subarray(from * targets.width, to * targets.width);
}

/** Of each number of a target, over the samples that have one; 0 where none has. In float64. */
function meansOf({ width, values }: Targets, labels: Int32Array): number[] {
  const sums = new Array<number>(width).fill(0);
  let samples = 0;
  labels.forEach((label, row) => {
    if (label < 0) return;
    samples++;
    for (let k = 0; k < width; k++) sums[k] = (sums[k] ?? 0) + (values[row * width + k] ?? 0);
  });
  return sums.map((sum) => (samples === 0 ? 0 : sum / samples));
}

async function checkedRows(source: Source, from: number, to: number): Promise<Rows> {
  const rows = await source.read(from, to);
  if (!(rows instanceof Float32Array)) return rows;
  const size = source.shape.reduce((product, dim) => product * dim, 1);
  const bad = rows.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw damaged(
      source.file,
      `sample ${from + Math.floor(bad / size)} holds ${rows[bad]} at element ${bad % size}; finite numbers were wanted`,
    );
  return rows;
}

function encodeShard(...columns: (Rows | undefined)[]): Buffer {
  return Buffer.concat(
    columns.flatMap((column) =>
      column === undefined ? [] : [Buffer.from(column.buffer, column.byteOffset, column.byteLength)],
    ),
  );
}

async function store(bytes: Buffer, out: string): Promise<string> {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const path = join(out, sha256);
  const there = await stat(path).catch(() => undefined);
  if (there?.size === bytes.length) return sha256;
  const aside = join(out, `.${sha256}.${randomUUID()}`);
  try {
    await writeFile(aside, bytes);
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    const problem = storageProblem(error);
    throw problem === null
      ? error
      : new UserError(
          `${out}: ${problem}; room for the data was wanted there, or another STILLHOUSE_CACHE`,
          exitCodes.unavailable,
          error,
        );
  }
  return sha256;
}

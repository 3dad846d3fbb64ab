/** Samples by id, read from shards by content hash and preprocessed: what a worker computes on. */
import { open, readFile, type FileHandle } from 'node:fs/promises';
import PQueue from 'p-queue';
import { codeOf } from '../errors.js';
import { mustAt } from '../must.js';
import type { Augment, Recipe } from '../recipe/schema.js';
import { lastAtMost } from '../search.js';
import { elementsIn } from '../shape.js';
import { augmentSample } from './augment.js';
import type { DataSet, Manifest } from './manifest.js';
import { shardStarts } from './sampler.js';

export interface Batch {
  /** [ids x sample] float32, preprocessed, in the order of the ids. */
  readonly inputs: Float32Array;
  /** [ids], or [ids x positions]; -1 for none. */
  readonly labels: Int32Array;
  /** Sample weights, of the same shape as the labels; absent where all are 1. */
  readonly weights?: Float32Array;
  /** [ids x width]; absent: samples have no target vectors. Those of a sample with label -1 mean nothing. */
  readonly vectors?: Float32Array;
}

/** The columns of a shard, each row after row; a column that the data set does not have is empty. */
interface Shard {
  readonly inputs: Uint8Array | Int32Array | Float32Array;
  readonly labels: Int32Array;
  readonly weights: Float32Array;
  readonly vectors: Float32Array;
}

/** Elements of one sample in each column of a shard; 0 for a column that the data set does not have. */
type RowSizes = Readonly<Record<keyof Shard, number>>;

export interface SamplesOptions {
  /**
   * Bytes of shards kept in memory; the least recently used go first. Where the shards of one reading are more, those of
   * which it wants few samples are read by range, and not kept. Default: 1 GiB.
   */
  readonly cacheBytes?: number;
  /** How views are made, and the run's seed. Absent: there are none. */
  readonly augment?: { readonly recipe: Augment; readonly seed: number } | undefined;
}

const defaultCacheBytes = 1024 * 1024 * 1024;

/** Fewer than are fetched at once, so that what is needed now need not wait. */
const prefetchesAtOnce = 2;

/** Shards that one reading waits for at once; what is not kept of them goes before the next. */
const shardsAtOnce = 2;

/** A shard of which a smaller part is wanted than one in so many is read by range where it would not be kept. */
const fewOfShard = 4;

const arrayOf = { uint8: Uint8Array, int32: Int32Array, float32: Float32Array } as const;

/** A sample's place among the shards. */
interface Place {
  readonly shard: number;
  /** Number of the sample in its shard. */
  readonly row: number;
}

/** A sample of a shard, and where it is wanted in a batch. */
interface WantedRow {
  readonly row: number;
  readonly at: number;
}

const columns = ['inputs', 'labels', 'weights', 'vectors'] as const;

export class Samples {
  readonly #starts: Uint32Array;
  readonly #sizes: RowSizes;
  /** The least recently used first. */
  readonly #shards = new Map<number, Promise<Shard>>();
  #bytes = 0;
  /** Shards that were asked for ahead of need. */
  readonly #ahead = new Set<number>();
  readonly #prefetches = new PQueue({ concurrency: prefetchesAtOnce });

  /** @param fetch gives the path of an artifact on this machine */
  constructor(
    private readonly dataSet: DataSet,
    private readonly preprocess: Manifest['preprocess'],
    private readonly fetch: (sha256: string) => Promise<string>,
    private readonly options: SamplesOptions = {},
  ) {
    this.#starts = shardStarts(dataSet);
    this.#sizes = rowSizes(dataSet);
  }

  /**
   * Reads samples in the order of their ids, shard by shard: beside the shards that are kept, two at most are in memory.
   * @param view number of the augmented view of each sample; null: the samples as they are
   */
  async gather(ids: Uint32Array, view: number | null = null): Promise<Batch> {
    const sizes = this.#sizes;
    const batch = {
      inputs: new Float32Array(ids.length * sizes.inputs),
      labels: new Int32Array(ids.length * sizes.labels),
      weights: new Float32Array(ids.length * sizes.weights),
      vectors: new Float32Array(ids.length * sizes.vectors),
    };
    const wanted = this.#byShard(ids);
    const bytes = [...wanted.keys()].reduce((sum, shard) => sum + this.#shardAt(shard).bytes, 0);
    const mayKeep = bytes <= this.#cacheBytes;
    const left = [...wanted];
    const copyNext = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) await this.#copy(...next, batch, mayKeep);
    };
    try {
      await Promise.all(Array.from({ length: shardsAtOnce }, copyNext));
    } finally {
      left.length = 0;
    }
    const { inputs, labels, weights, vectors } = batch;
    if (view !== null)
      for (const [shard, rows] of wanted)
        for (const { row, at } of rows)
          this.#augment(inputs.subarray(at * sizes.inputs, (at + 1) * sizes.inputs), { shard, row }, view);
    normalise(inputs, this.dataSet.shape.at(-1) ?? 1, this.preprocess);
    return {
      inputs,
      labels,
      ...(sizes.weights === 0 ? {} : { weights }),
      ...(sizes.vectors === 0 ? {} : { vectors }),
    };
  }

  /** The rows of each shard that the ids lie in. */
  #byShard(ids: Uint32Array): Map<number, WantedRow[]> {
    const wanted = new Map<number, WantedRow[]>();
    ids.forEach((id, at) => {
      const { shard, row } = this.#placeOf(id);
      const rows = wanted.get(shard);
      if (rows === undefined) wanted.set(shard, [{ row, at }]);
      else rows.push({ row, at });
    });
    return wanted;
  }

  /** Copies rows of a shard to their places in the batch. */
  async #copy(shard: number, rows: readonly WantedRow[], batch: Shard, mayKeep: boolean): Promise<void> {
    const isFew = rows.length * fewOfShard < this.#shardAt(shard).samples;
    if (!mayKeep && isFew && !this.#shards.has(shard)) return this.#read(shard, rows, batch);
    const found = await this.#shard(shard);
    for (const column of columns) {
      const size = this.#sizes[column];
      for (const { row, at } of rows)
        batch[column].set(found[column].subarray(row * size, (row + 1) * size), at * size);
    }
  }

  /** The same from the shard's file, by range. */
  async #read(shard: number, rows: readonly WantedRow[], batch: Shard): Promise<void> {
    const { samples, bytes } = this.#shardAt(shard);
    const types = {
      inputs: arrayOf[this.dataSet.dtype],
      labels: Int32Array,
      weights: Float32Array,
      vectors: Float32Array,
    };
    await this.#withFile(shard, async (path) => {
      const file = await open(path);
      try {
        let from = bytes - samples * columns.reduce((sum, column) => sum + this.#rowBytes(column), 0);
        for (const column of columns) {
          const [size, rowBytes, Values] = [this.#sizes[column], this.#rowBytes(column), types[column]];
          for (const { row, at } of size === 0 ? [] : rows) {
            const values = new Values(size);
            await readFully(file, new Uint8Array(values.buffer), from + row * rowBytes);
            batch[column].set(values, at * size);
          }
          from += samples * rowBytes;
        }
      } finally {
        await file.close();
      }
    });
  }

  /** Bytes of one sample in a column of a shard. */
  #rowBytes(column: keyof Shard): number {
    return this.#sizes[column] * (column === 'inputs' ? arrayOf[this.dataSet.dtype].BYTES_PER_ELEMENT : 4);
  }

  /** Works on a shard's file, which may be taken away in between to make room: then it is fetched anew. */
  async #withFile<T>(shard: number, work: (path: string) => Promise<T>): Promise<T> {
    // Once it is used it may go, and is wanted ahead again in another epoch.
    this.#ahead.delete(shard);
    const { sha256 } = this.#shardAt(shard);
    try {
      return await work(await this.fetch(sha256));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      return work(await this.fetch(sha256));
    }
  }

  get #cacheBytes(): number {
    return this.options.cacheBytes ?? defaultCacheBytes;
  }

  /**
   * Brings shards to this machine's disk ahead of need, a few at a time, each once before it is used. One that cannot be had is told to who
   * needs it.
   */
  prefetch(shards: readonly number[]): void {
    for (const shard of shards) {
      if (this.#ahead.has(shard) || this.#shards.has(shard)) continue;
      this.#ahead.add(shard);
      void this.#prefetches.add(() => this.fetch(this.#shardAt(shard).sha256)).catch(() => this.#ahead.delete(shard));
    }
  }

  /** Keys the view by the sample's place in its shard, not by its id: kept labels outlive a longer data set. */
  #augment(sample: Float32Array, { shard, row }: Place, view: number): void {
    const { augment } = this.options;
    if (augment === undefined) return;
    const { sha256 } = this.#shardAt(shard);
    augmentSample(sample, this.dataSet.shape, augment.recipe, [augment.seed, 'augment', sha256, row, view]);
  }

  #placeOf(id: number): Place {
    const shard = lastAtMost(this.#starts, id);
    return { shard, row: id - (this.#starts[shard] ?? 0) };
  }

  #shardAt(index: number): DataSet['shards'][number] {
    return mustAt(this.dataSet.shards, index, 'shard');
  }

  #shard(index: number): Promise<Shard> {
    const found = this.#shards.get(index);
    if (found !== undefined) {
      this.#shards.delete(index);
      this.#shards.set(index, found);
      return found;
    }
    const { bytes } = this.#shardAt(index);
    const loading = this.#load(index);
    this.#shards.set(index, loading);
    this.#bytes += bytes;
    loading.catch(() => this.#forget(index));
    for (const [oldest] of this.#shards) {
      if (this.#bytes <= this.#cacheBytes || oldest === index) break;
      this.#forget(oldest);
    }
    return loading;
  }

  #forget(index: number): void {
    if (this.#shards.delete(index)) this.#bytes -= this.#shardAt(index).bytes;
  }

  async #load(index: number): Promise<Shard> {
    const { samples, bytes: size } = this.#shardAt(index);
    const file = await this.#withFile(index, (path) => readFile(path));
    const isOwn = file.byteLength === file.buffer.byteLength;
    const bytes = isOwn ? file.buffer : file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);
    const { labels, weights, vectors } = this.#sizes;
    const labelsFrom = size - 4 * samples * (labels + weights + vectors);
    const weightsFrom = labelsFrom + 4 * samples * labels;
    const vectorsFrom = weightsFrom + 4 * samples * weights;
    const InputArray = arrayOf[this.dataSet.dtype];
    return {
      inputs: new InputArray(bytes, 0, labelsFrom / InputArray.BYTES_PER_ELEMENT),
      // Copies, since inputs of one byte leave the columns behind them unaligned.
      labels: new Int32Array(bytes.slice(labelsFrom, weightsFrom)),
      weights: new Float32Array(bytes.slice(weightsFrom, vectorsFrom)),
      vectors: new Float32Array(bytes.slice(vectorsFrom, size)),
    };
  }
}

function rowSizes({ shape, positions = 1, isWeighted = false, targets }: DataSet): RowSizes {
  return {
    inputs: elementsIn(shape),
    labels: positions,
    weights: isWeighted ? positions : 0,
    vectors: targets === undefined ? 0 : targets.width,
  };
}

/** @throws Error for a file that ends before */
async function readFully(file: FileHandle, target: Uint8Array, from: number): Promise<void> {
  for (let done = 0; done < target.length;) {
    const { bytesRead } = await file.read(target, done, target.length - done, from + done);
    if (bytesRead === 0) throw new Error(`a shard ends at ${from + done}; more was wanted`);
    done += bytesRead;
  }
}

/** Opens the training set as a recipe's student and teachers see it. */
export function trainSamples(
  { data, seed }: Pick<Recipe, 'data' | 'seed'>,
  { train, preprocess }: Pick<Manifest, 'train' | 'preprocess'>,
  fetch: (sha256: string) => Promise<string>,
): Samples {
  return new Samples(train, preprocess, fetch, {
    augment: data.augment === undefined ? undefined : { recipe: data.augment, seed },
  });
}

/**
 * Preprocesses samples in place: x = (x * scale - mean[channel]) / std[channel], rounded to float32 after each
 * operation. One mean or std serves all channels.
 */
export function normalise(inputs: Float32Array, channels: number, preprocess: Manifest['preprocess']): void {
  if (preprocess === null) return;
  const { fround } = Math;
  const scale = fround(preprocess.scale);
  const perChannel = (values: readonly number[], otherwise: number): Float32Array =>
    Float32Array.from({ length: channels }, (_, c) => values[values.length === 1 ? 0 : c] ?? otherwise);
  const mean = perChannel(preprocess.mean, 0);
  const std = perChannel(preprocess.std, 1);
  for (let i = 0; i < inputs.length; i++) {
    const c = channels === 1 ? 0 : i % channels;
    inputs[i] = fround(fround(fround((inputs[i] ?? 0) * scale) - (mean[c] ?? 0)) / (std[c] ?? 1));
  }
}

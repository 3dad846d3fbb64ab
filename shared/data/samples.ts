/** Samples by id, read from shards by content hash and preprocessed: what a worker computes on. */
import { readFile } from 'node:fs/promises';
import PQueue from 'p-queue';
import { must, mustAt } from '../must.js';
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
  /** Bytes of shards kept in memory; the least recently used go first. Default: 1 GiB. */
  readonly cacheBytes?: number;
  /** How views are made, and the run's seed. Absent: there are none. */
  readonly augment?: { readonly recipe: Augment; readonly seed: number } | undefined;
}

const defaultCacheBytes = 1024 * 1024 * 1024;

/** Fewer than are fetched at once, so that what is needed now need not wait. */
const prefetchesAtOnce = 2;

const arrayOf = { uint8: Uint8Array, int32: Int32Array, float32: Float32Array } as const;

/** A sample's place among the shards. */
interface Place {
  readonly shard: number;
  /** Number of the sample in its shard. */
  readonly row: number;
}

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
   * Reads samples in the order of their ids.
   * @param view number of the augmented view of each sample; null: the samples as they are
   */
  async gather(ids: Uint32Array, view: number | null = null): Promise<Batch> {
    const sizes = this.#sizes;
    const places = Array.from(ids, (id) => this.#placeOf(id));
    const shards = new Map<number, Shard>();
    const wanted = [...new Set(places.map(({ shard }) => shard))];
    await Promise.all(wanted.map(async (shard) => void shards.set(shard, await this.#shard(shard))));
    const inputs = new Float32Array(ids.length * sizes.inputs);
    const labels = new Int32Array(ids.length * sizes.labels);
    const weights = new Float32Array(ids.length * sizes.weights);
    const vectors = new Float32Array(ids.length * sizes.vectors);
    places.forEach((place, i) => {
      const { row } = place;
      const found = must(shards, place.shard, 'shard');
      inputs.set(found.inputs.subarray(row * sizes.inputs, (row + 1) * sizes.inputs), i * sizes.inputs);
      if (view !== null) this.#augment(inputs.subarray(i * sizes.inputs, (i + 1) * sizes.inputs), place, view);
      labels.set(found.labels.subarray(row * sizes.labels, (row + 1) * sizes.labels), i * sizes.labels);
      weights.set(found.weights.subarray(row * sizes.weights, (row + 1) * sizes.weights), i * sizes.weights);
      vectors.set(found.vectors.subarray(row * sizes.vectors, (row + 1) * sizes.vectors), i * sizes.vectors);
    });
    normalise(inputs, this.dataSet.shape.at(-1) ?? 1, this.preprocess);
    return {
      inputs,
      labels,
      ...(sizes.weights === 0 ? {} : { weights }),
      ...(sizes.vectors === 0 ? {} : { vectors }),
    };
  }

  /**
   * Brings shards to this machine's disk ahead of need, a few at a time, each once. One that cannot be had is told to who
   * needs it.
   */
  prefetch(shards: readonly number[]): void {
    for (const shard of shards) {
      if (this.#ahead.has(shard)) continue;
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
      if (this.#bytes <= (this.options.cacheBytes ?? defaultCacheBytes) || oldest === index) break;
      this.#forget(oldest);
    }
    return loading;
  }

  #forget(index: number): void {
    if (this.#shards.delete(index)) this.#bytes -= this.#shardAt(index).bytes;
  }

  async #load(index: number): Promise<Shard> {
    const { sha256, samples, bytes: size } = this.#shardAt(index);
    const file = await readFile(await this.fetch(sha256));
    const bytes = file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);
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

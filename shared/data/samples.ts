/** Samples by id, from shards by content hash, preprocessed: what a worker computes on. */
import { readFile } from 'node:fs/promises';
import type { Augment, Recipe } from '../recipe/schema.js';
import { augmentSample } from './augment.js';
import type { DataSet, Manifest } from './manifest.js';
import { shardStarts } from './sampler.js';

export interface Batch {
  /** [ids x sample] float32, preprocessed, in the order of the ids. */
  readonly inputs: Float32Array;
  /** [ids], or [ids x positions]; -1 for none. */
  readonly labels: Int32Array;
  /** As labels; absent: all are 1. */
  readonly weights?: Float32Array;
  /** [ids x width] where samples have target vectors, which those of label -1 have not. */
  readonly vectors?: Float32Array;
}

interface Shard {
  readonly inputs: Uint8Array | Int32Array | Float32Array;
  readonly labels: Int32Array;
  readonly weights: Float32Array | null;
  readonly vectors: Float32Array | null;
}

export interface SamplesOptions {
  /** Of shards kept in memory, about; default 1 GiB. */
  readonly cacheBytes?: number;
  /** What views are made by, with the run's seed. */
  readonly augment?: { readonly recipe: Augment; readonly seed: number } | undefined;
}

/** Bytes of shards kept in memory; the least recently used go first. */
const defaultCacheBytes = 1024 * 1024 * 1024;

export class Samples {
  readonly #starts: Uint32Array;
  readonly #size: number;
  readonly #shards = new Map<number, Promise<Shard>>();
  #bytes = 0;

  /** @param fetch path of an artifact on this machine */
  constructor(
    private readonly dataSet: DataSet,
    private readonly preprocess: Manifest['preprocess'],
    private readonly fetch: (sha256: string) => Promise<string>,
    private readonly options: SamplesOptions = {},
  ) {
    this.#starts = shardStarts(dataSet);
    this.#size = dataSet.shape.reduce((product, dim) => product * dim, 1);
  }

  /** @param view number of the augmented view of each sample; null: the samples as they are */
  async gather(ids: Uint32Array, view: number | null = null): Promise<Batch> {
    const places = Array.from(ids, (id) => this.#place(id));
    const shards = new Map<number, Shard>();
    for (const { shard } of places) if (!shards.has(shard)) shards.set(shard, await this.#shard(shard));
    const inputs = new Float32Array(ids.length * this.#size);
    const { positions = 1 } = this.dataSet;
    const labels = new Int32Array(ids.length * positions);
    const weights = this.dataSet.isWeighted === true ? new Float32Array(ids.length * positions) : null;
    const width = this.dataSet.targets?.width ?? 0;
    const vectors = width === 0 ? null : new Float32Array(ids.length * width);
    places.forEach(({ shard, row }, i) => {
      const found = shards.get(shard);
      if (found === undefined) return;
      inputs.set(found.inputs.subarray(row * this.#size, (row + 1) * this.#size), i * this.#size);
      if (view !== null) this.#augment(inputs.subarray(i * this.#size, (i + 1) * this.#size), { shard, row, view });
      labels.set(found.labels.subarray(row * positions, (row + 1) * positions), i * positions);
      weights?.set(found.weights?.subarray(row * positions, (row + 1) * positions) ?? [], i * positions);
      vectors?.set(found.vectors?.subarray(row * width, (row + 1) * width) ?? [], i * width);
    });
    normalise(inputs, this.dataSet.shape.at(-1) ?? 1, this.preprocess);
    return { inputs, labels, ...(weights === null ? {} : { weights }), ...(vectors === null ? {} : { vectors }) };
  }

  /** By the sample's place in its shard, not its id: kept labels outlive a longer data set. */
  #augment(sample: Float32Array, { shard, row, view }: { shard: number; row: number; view: number }): void {
    const { augment } = this.options;
    if (augment === undefined) return;
    augmentSample(sample, this.dataSet.shape, augment.recipe, [
      augment.seed,
      'augment',
      this.dataSet.shards[shard]?.sha256 ?? '',
      row,
      view,
    ]);
  }

  #place(id: number): { shard: number; row: number } {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#starts[middle] ?? 0) <= id) low = middle;
      else high = middle - 1;
    }
    return { shard: low, row: id - (this.#starts[low] ?? 0) };
  }

  #shard(index: number): Promise<Shard> {
    const found = this.#shards.get(index);
    if (found !== undefined) {
      this.#shards.delete(index);
      this.#shards.set(index, found);
      return found;
    }
    const loading = this.#load(index);
    this.#shards.set(index, loading);
    this.#bytes += this.dataSet.shards[index]?.bytes ?? 0;
    loading.catch(() => this.#forget(index));
    for (const [oldest] of this.#shards) {
      if (this.#bytes <= (this.options.cacheBytes ?? defaultCacheBytes) || oldest === index) break;
      this.#forget(oldest);
    }
    return loading;
  }

  #forget(index: number): void {
    if (this.#shards.delete(index)) this.#bytes -= this.dataSet.shards[index]?.bytes ?? 0;
  }

  async #load(index: number): Promise<Shard> {
    const shard = this.dataSet.shards[index];
    if (shard === undefined) throw new RangeError(`shard ${index} of ${this.dataSet.shards.length}`);
    const file = await readFile(await this.fetch(shard.sha256));
    const bytes = file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);
    const { dtype, isWeighted = false, targets, positions = 1 } = this.dataSet;
    const labelBytes = 4 * shard.samples * positions;
    const weightBytes = isWeighted ? labelBytes : 0;
    const vectorBytes = 4 * (targets?.width ?? 0) * shard.samples;
    const inputBytes = shard.bytes - labelBytes - weightBytes - vectorBytes;
    const column = (from: number, length: number): ArrayBuffer =>
      bytes.slice(inputBytes + from, inputBytes + from + length);
    const labels = new Int32Array(column(0, labelBytes));
    const weights = isWeighted ? new Float32Array(column(labelBytes, weightBytes)) : null;
    const vectors = targets === undefined ? null : new Float32Array(column(labelBytes + weightBytes, vectorBytes));
    const inputs =
      dtype === 'uint8'
        ? new Uint8Array(bytes, 0, inputBytes)
        : dtype === 'int32'
          ? new Int32Array(bytes, 0, inputBytes / 4)
          : new Float32Array(bytes, 0, inputBytes / 4);
    return { inputs, labels, weights, vectors };
  }
}

/** The training set as a recipe's student and teachers see it. */
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
 * x = (x * scale - mean[channel]) / std[channel], in place; float32 after each operation. One mean or std serves all
 * channels.
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

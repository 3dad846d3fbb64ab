/** Samples by id, from shards by content hash, preprocessed: what a worker computes on. */
import { readFile } from 'node:fs/promises';
import { shardStarts } from './sampler.js';
/** Bytes of shards kept in memory; the least recently used go first. */
const defaultCacheBytes = 1024 * 1024 * 1024;
export class Samples {
    dataSet;
    preprocess;
    fetch;
    cacheBytes;
    #starts;
    #size;
    #shards = new Map();
    #bytes = 0;
    /** @param fetch path of an artifact on this machine */
    constructor(dataSet, preprocess, fetch, cacheBytes = defaultCacheBytes) {
        this.dataSet = dataSet;
        this.preprocess = preprocess;
        this.fetch = fetch;
        this.cacheBytes = cacheBytes;
        this.#starts = shardStarts(dataSet);
        this.#size = dataSet.shape.reduce((product, dim) => product * dim, 1);
    }
    async gather(ids) {
        const places = Array.from(ids, (id) => this.#place(id));
        const shards = new Map();
        for (const { shard } of places)
            if (!shards.has(shard))
                shards.set(shard, await this.#shard(shard));
        const inputs = new Float32Array(ids.length * this.#size);
        const labels = new Int32Array(ids.length);
        places.forEach(({ shard, row }, i) => {
            const found = shards.get(shard);
            if (found === undefined)
                return;
            inputs.set(found.inputs.subarray(row * this.#size, (row + 1) * this.#size), i * this.#size);
            labels[i] = found.labels[row] ?? -1;
        });
        normalise(inputs, this.dataSet.shape.at(-1) ?? 1, this.preprocess);
        return { inputs, labels };
    }
    #place(id) {
        let low = 0;
        let high = this.#starts.length - 1;
        while (low < high) {
            const middle = (low + high + 1) >>> 1;
            if ((this.#starts[middle] ?? 0) <= id)
                low = middle;
            else
                high = middle - 1;
        }
        return { shard: low, row: id - (this.#starts[low] ?? 0) };
    }
    #shard(index) {
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
            if (this.#bytes <= this.cacheBytes || oldest === index)
                break;
            this.#forget(oldest);
        }
        return loading;
    }
    #forget(index) {
        if (this.#shards.delete(index))
            this.#bytes -= this.dataSet.shards[index]?.bytes ?? 0;
    }
    async #load(index) {
        const shard = this.dataSet.shards[index];
        if (shard === undefined)
            throw new RangeError(`shard ${index} of ${this.dataSet.shards.length}`);
        const file = await readFile(await this.fetch(shard.sha256));
        const bytes = file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);
        const inputBytes = shard.bytes - 4 * shard.samples;
        const labels = new Int32Array(bytes.slice(inputBytes));
        const { dtype } = this.dataSet;
        const inputs = dtype === 'uint8' ? new Uint8Array(bytes, 0, inputBytes) : dtype === 'int32' ? new Int32Array(bytes, 0, inputBytes / 4) : new Float32Array(bytes, 0, inputBytes / 4);
        return { inputs, labels };
    }
}
/** x = (x * scale - mean[channel]) / std[channel], in place; float32 after each operation. One mean or std serves all channels. */
export function normalise(inputs, channels, preprocess) {
    if (preprocess === null)
        return;
    const { fround } = Math;
    const scale = fround(preprocess.scale);
    const perChannel = (values, otherwise) => Float32Array.from({ length: channels }, (_, c) => values[values.length === 1 ? 0 : c] ?? otherwise);
    const mean = perChannel(preprocess.mean, 0);
    const std = perChannel(preprocess.std, 1);
    for (let i = 0; i < inputs.length; i++) {
        const c = channels === 1 ? 0 : i % channels;
        inputs[i] = fround(fround(fround((inputs[i] ?? 0) * scale) - (mean[c] ?? 0)) / (std[c] ?? 1));
    }
}
//# sourceMappingURL=samples.js.map
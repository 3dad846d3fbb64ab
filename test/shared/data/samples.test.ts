/** Samples that are read from shards, and shards that are fetched ahead of need. */
import { closeSync, ftruncateSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DataSet } from '../../../shared/data/manifest.js';
import { Samples } from '../../../shared/data/samples.js';
import { temporaryFolder } from '../../worker/fakes.js';

/** Shards of two samples of one byte, the sample's number. */
function shardsIn(folder: string, count: number): DataSet {
  const shards = Array.from({ length: count }, (_, shard) => {
    const labels = Int32Array.of(shard, shard);
    const bytes = Buffer.concat([Buffer.from([2 * shard, 2 * shard + 1]), Buffer.from(labels.buffer)]);
    writeFileSync(join(folder, `shard${shard}`), bytes);
    return { sha256: `shard${shard}`, bytes: bytes.length, samples: 2 };
  });
  return { samples: 2 * count, shape: [1], dtype: 'uint8', shards };
}

/** Fetches that end when the test says so. */
class Fetches {
  readonly asked: string[] = [];
  readonly #waiting = new Map<string, { give: () => void; fail: () => void }>();

  constructor(private readonly folder: string) {}

  readonly fetch = (sha256: string): Promise<string> => {
    this.asked.push(sha256);
    return new Promise((resolve, reject) => {
      const give = (): void => resolve(join(this.folder, sha256));
      this.#waiting.set(sha256, { give, fail: () => reject(new Error(sha256)) });
    });
  };

  async end(sha256: string, how: 'give' | 'fail' = 'give'): Promise<void> {
    this.#waiting.get(sha256)?.[how]();
    // What waits for it goes on in the turns after.
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('shards ahead of need', () => {
  it('are fetched two at a time, each once, in their order', async () => {
    const folder = temporaryFolder();
    const fetches = new Fetches(folder);
    const samples = new Samples(shardsIn(folder, 5), null, fetches.fetch);
    samples.prefetch([3, 1, 4]);
    samples.prefetch([1, 0]);
    await fetches.end('none');
    expect(fetches.asked).toEqual(['shard3', 'shard1']);
    await fetches.end('shard1');
    expect(fetches.asked).toEqual(['shard3', 'shard1', 'shard4']);
    await fetches.end('shard3');
    await fetches.end('shard4');
    await fetches.end('shard0');
    samples.prefetch([0, 1, 3, 4]);
    await fetches.end('none');
    expect(fetches.asked).toEqual(['shard3', 'shard1', 'shard4', 'shard0']);
  });

  it('that cannot be had are asked for again by who needs them, and told to them', async () => {
    const folder = temporaryFolder();
    const fetches = new Fetches(folder);
    const samples = new Samples(shardsIn(folder, 2), null, fetches.fetch);
    samples.prefetch([1]);
    await fetches.end('none');
    await fetches.end('shard1', 'fail');
    const gathered = samples.gather(Uint32Array.of(3));
    const refused = expect(gathered).rejects.toThrow('shard1');
    await fetches.end('shard1', 'fail');
    await refused;
    samples.prefetch([1]);
    await fetches.end('none');
    expect(fetches.asked).toEqual(['shard1', 'shard1', 'shard1']);
  });

  it('do not hold up those that are needed, which are fetched at the same time', async () => {
    const folder = temporaryFolder();
    const fetches = new Fetches(folder);
    const samples = new Samples(shardsIn(folder, 5), null, fetches.fetch);
    samples.prefetch([0, 1, 2]);
    const gathered = samples.gather(Uint32Array.of(9, 6, 8, 7));
    await fetches.end('none');
    expect([...fetches.asked].sort()).toEqual(['shard0', 'shard1', 'shard3', 'shard4']);
    await fetches.end('shard4');
    await fetches.end('shard3');
    const { inputs, labels } = await gathered;
    expect([[...inputs], [...labels]]).toEqual([
      [9, 6, 8, 7],
      [4, 3, 4, 3],
    ]);
  });
});

describe('a reading of samples from many shards', () => {
  /** Shards of eight samples with every column; the numbers tell the sample. */
  function fullShards(folder: string, dtype: DataSet['dtype'], count: number): DataSet {
    const of = (width: number, from: number, step: number): number[] =>
      Array.from({ length: 8 * width }, (_, i) => from + Math.floor(i / width) + step * (i % width));
    const shards = Array.from({ length: count }, (_, shard) => {
      const inputs = of(3, 8 * shard, 50);
      const columns = [
        { uint8: Uint8Array, int32: Int32Array, float32: Float32Array }[dtype].from(inputs),
        Int32Array.from(of(2, 8 * shard, 100)),
        Float32Array.from(of(2, 8 * shard, 0.25)),
        Float32Array.from(of(5, 8 * shard, 0.5)),
      ].map(({ buffer }) => Buffer.from(buffer));
      const bytes = Buffer.concat(columns);
      writeFileSync(join(folder, `shard${shard}`), bytes);
      return { sha256: `shard${shard}`, bytes: bytes.length, samples: 8 };
    });
    const rest = { isWeighted: true, positions: 2, targets: { width: 5, means: [0, 0, 0, 0, 0] } };
    return { samples: 8 * count, shape: [3], dtype, shards, ...rest };
  }

  it.each(['uint8', 'int32', 'float32'] as const)('gives the same whatever is kept: %s', async (dtype) => {
    const folder = temporaryFolder();
    const dataSet = fullShards(folder, dtype, 6);
    const ids = Uint32Array.of(47, 3, 9, 3, 40, 17, 41, 42, 25, 0, 33, 11);
    const fetch = async (sha256: string): Promise<string> => join(folder, sha256);
    const preprocess = { scale: 0.5, mean: [1], std: [3] };
    const whole = await new Samples(dataSet, preprocess, fetch).gather(ids);
    expect([...whole.labels]).toEqual([...ids].flatMap((id) => [id, id + 100]));
    expect([...(whole.weights ?? [])]).toEqual([...ids].flatMap((id) => [id, id + 0.25]));
    for (const cacheBytes of [0, 600]) {
      const samples = new Samples(dataSet, preprocess, fetch, { cacheBytes });
      expect(await samples.gather(ids)).toEqual(whole);
      expect(await samples.gather(ids)).toEqual(whole);
    }
  });

  it('waits for two at a time', async () => {
    const folder = temporaryFolder();
    let [open, most] = [0, 0];
    const fetch = async (sha256: string): Promise<string> => {
      most = Math.max(most, ++open);
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
      open--;
      return join(folder, sha256);
    };
    const { inputs } = await new Samples(shardsIn(folder, 5), null, fetch).gather(Uint32Array.of(9, 6, 0, 2, 4));
    expect([...inputs]).toEqual([9, 6, 0, 2, 4]);
    expect(most).toBe(2);
  });

  it('asks for no further shard after one that cannot be had', async () => {
    const folder = temporaryFolder();
    const fetches = new Fetches(folder);
    const samples = new Samples(shardsIn(folder, 5), null, fetches.fetch, { cacheBytes: 0 });
    const refused = expect(samples.gather(Uint32Array.of(9, 6, 0, 2, 4))).rejects.toThrow('shard3');
    await fetches.end('shard3', 'fail');
    await refused;
    await fetches.end('shard4');
    expect(fetches.asked).toEqual(['shard4', 'shard3']);
  });

  it('reads few samples of a shard by range, however long it is', async () => {
    const folder = temporaryFolder();
    const count = 2 ** 29;
    const file = openSync(join(folder, 'long'), 'w');
    ftruncateSync(file, 5 * count);
    writeSync(file, Uint8Array.of(77), 0, 1, count - 2);
    writeSync(file, new Uint8Array(Int32Array.of(-5).buffer), 0, 4, count + 4 * (count - 2));
    closeSync(file);
    const shards = [{ sha256: 'long', bytes: 5 * count, samples: count }];
    const dataSet: DataSet = { samples: count, shape: [1], dtype: 'uint8', shards };
    const { inputs, labels } = await new Samples(dataSet, null, async () => join(folder, 'long')).gather(
      Uint32Array.of(1, count - 2),
    );
    expect([[...inputs], [...labels]]).toEqual([
      [0, 77],
      [0, -5],
    ]);
    rmSync(join(folder, 'long'));
  });

  it.each([0, 2 ** 20])('has a shard fetched anew that was taken away to make room: %i', async (cacheBytes) => {
    const folder = temporaryFolder();
    const dataSet = fullShards(folder, 'uint8', 2);
    renameSync(join(folder, 'shard1'), join(folder, 'aside'));
    let asked = 0;
    const samples = new Samples(
      dataSet,
      null,
      async (sha256) => {
        if (++asked === 2) renameSync(join(folder, 'aside'), join(folder, 'shard1'));
        return join(folder, sha256);
      },
      { cacheBytes },
    );
    expect([...(await samples.gather(Uint32Array.of(9))).inputs]).toEqual([9, 59, 109]);
    expect(asked).toBe(2);
  });
});

/** Where inputs lie that cannot be read from their files by range, and that their shards are cut as from memory. */
import { readdirSync, readlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { writeShards } from '../../../../cli/prepare/shards.js';
import { openSource } from '../../../../cli/prepare/sources/chosen-source.js';
import { FloatRows } from '../../../../cli/prepare/sources/float-rows.js';
import { Spool } from '../../../../cli/prepare/sources/spool.js';
import { sourceSchema } from '../../../../shared/recipe/data-schema.js';
import { sha256Of } from '../../../../shared/sha256.js';
import { temporaryFolder } from '../../../worker/fakes.js';

const unnamedFiles = (folder: string): string[] =>
  readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return path.startsWith(folder) ? [path] : [];
    } catch {
      return [];
    }
  });

describe('a spool', () => {
  it('gives any range of what lies in its file, in memory, and in both', async () => {
    const folder = temporaryFolder();
    const spool = new Spool(join(folder, 'made'));
    const pieces = [3_000_001, 5_000_003, 700].map((length, k) => Buffer.alloc(length, Buffer.from([k + 1, 7, 9])));
    const starts: number[] = [];
    for (const piece of pieces) {
      starts.push(spool.begin());
      for (let at = 0; at < piece.length; at += 65_537) {
        const part = piece.subarray(at, at + 65_537);
        spool.extend(part.length).set(part);
        await spool.settle();
      }
    }
    expect(starts.every((start) => start % 8 === 0)).toBe(true);
    for (const [k, piece] of pieces.entries())
      for (const [from, to] of [
        [0, piece.length],
        [piece.length - 650, piece.length],
        [1, 9],
      ] as const) {
        const own = Buffer.alloc(to - from);
        spool.read(own, (starts[k] ?? 0) + from);
        expect(own.equals(piece.subarray(from, to))).toBe(true);
      }
    spool.close();
  });

  it('keeps its file without a name, and lets it go when it is closed', async () => {
    const folder = temporaryFolder();
    const spool = new Spool(folder);
    spool.extend(2 ** 20);
    await spool.settle();
    expect(unnamedFiles(folder)).toEqual([]);
    spool.extend(2 ** 22);
    await spool.settle();
    expect([readdirSync(folder), unnamedFiles(folder).length]).toEqual([[], 1]);
    spool.close();
    expect(unnamedFiles(folder)).toEqual([]);
  });

  it('keeps rows of numbers whole over the place where it goes to the disk', async () => {
    const spool = new Spool(temporaryFolder());
    spool.extend(3).fill(255);
    const rows = new FloatRows(spool, 333);
    for (let row = 0; row < 6000; row++) {
      rows.add().fill(row + 0.5);
      await spool.settle();
    }
    const found = rows.read(2999, 6000);
    expect(found.length).toBe(3001 * 333);
    expect(found.every((value, i) => value === 2999 + Math.floor(i / 333) + 0.5)).toBe(true);
    spool.close();
  });

  it('says where room was wanted when the disk takes no more', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'file'), '');
    const spool = new Spool(join(folder, 'file', 'spool'));
    spool.extend(2 ** 23);
    await expect(spool.settle()).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringMatching(/spool: the storage answered ENOTDIR; room for the data as it is read was wanted/),
    });
  });
});

/** 2000 samples of 1000 numbers: 8 MB. */
const samples = 2000;
const width = 1000;
const valueAt = (row: number, k: number): number => (row * 31 + k * 7) % 97;

/** What the shards of those samples are, as they are written in memory. */
function expectedShards(shardSamples: number): string[] {
  return Array.from({ length: Math.ceil(samples / shardSamples) }, (_, shard) => {
    const from = shard * shardSamples;
    const rows = Math.min(shardSamples, samples - from);
    const values = Float32Array.from({ length: rows * width }, (_one, i) =>
      valueAt(from + Math.floor(i / width), i % width),
    );
    const labels = Int32Array.from({ length: rows }, (_one, row) => (from + row) % 5);
    return sha256Of(Buffer.concat([Buffer.from(values.buffer), Buffer.from(labels.buffer)]));
  });
}

const numbersOf = (row: number): number[] => Array.from({ length: width }, (_, k) => valueAt(row, k));
const rowsOf = <T>(line: (row: number) => T): T[] => Array.from({ length: samples }, (_, row) => line(row));

function npyFile(values: Float32Array | Int32Array, shape: string, isFortran = false): Buffer {
  const descr = values instanceof Int32Array ? '<i4' : '<f4';
  const text = `{'descr': '${descr}', 'fortran_order': ${isFortran ? 'True' : 'False'}, 'shape': ${shape}, }`;
  const head = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 118, 0]);
  return Buffer.concat([head, Buffer.from(`${text.padEnd(117)}\n`), Buffer.from(values.buffer)]);
}

describe('a source of more than the spool keeps in memory', () => {
  const c = (): Float32Array => Float32Array.from(rowsOf(numbersOf).flat());
  const write: Readonly<Record<string, (folder: string) => object>> = {
    csv: (folder) => {
      const lines = rowsOf((row) => [row % 5, ...numbersOf(row)].join());
      writeFileSync(join(folder, 'x.csv'), lines.join('\n'));
      return { format: 'csv', inputs: 'x.csv', labels: 0, header: false };
    },
    jsonl: (folder) => {
      const lines = rowsOf((row) => JSON.stringify({ y: row % 5, x: numbersOf(row) }));
      writeFileSync(join(folder, 'a.jsonl'), lines.slice(0, 700).join('\n'));
      writeFileSync(join(folder, 'b.jsonl'), lines.slice(700).join('\n'));
      return { format: 'jsonl', inputs: ['a.jsonl', 'b.jsonl'], labels: 'y' };
    },
    'npy in C order': (folder) => {
      writeFileSync(join(folder, 'x.npy'), npyFile(c(), `(${samples}, ${width})`));
      return { format: 'npy', inputs: 'x.npy' };
    },
    'npy that is packed': (folder) => {
      writeFileSync(join(folder, 'x.npy'), gzipSync(npyFile(c(), `(${samples}, ${width})`)));
      return { format: 'npy', inputs: 'x.npy' };
    },
    'npy in Fortran order': (folder) => {
      const turned = Float32Array.from({ length: samples * width }, (_, i) =>
        valueAt(i % samples, Math.floor(i / samples)),
      );
      writeFileSync(join(folder, 'x.npy'), npyFile(turned, `(${samples}, ${width})`, true));
      return { format: 'npy', inputs: 'x.npy' };
    },
  };

  it.each(Object.keys(write))('gives the shards that it gives from memory: %s', async (name) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'y.npy'), npyFile(Int32Array.from(rowsOf((row) => row % 5)), `(${samples},)`));
    const recipe = write[name]?.(folder) ?? {};
    const labels = 'labels' in recipe ? {} : { labels: 'y.npy' };
    const out = join(folder, 'out');
    const { dataSet } = await writeShards(sourceSchema.parse({ ...recipe, ...labels }), folder, out, {
      shardSamples: 300,
    });
    expect(dataSet.shards.map(({ sha256 }) => sha256)).toEqual(expectedShards(300));
    expect(unnamedFiles(folder)).toEqual([]);
  });
});

describe('shards', () => {
  it('have no more samples than 64 MiB hold', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'x.npy');
    const sample = 20 * 2 ** 20;
    writeFileSync(
      path,
      npyFile(new Float32Array(0), `(5, ${sample})`).toString('latin1').replace('<f4', '|u1'),
      'latin1',
    );
    truncateSync(path, 128 + 5 * sample);
    const recipe = sourceSchema.parse({ format: 'npy', inputs: 'x.npy' });
    const { dataSet } = await writeShards(recipe, folder, join(folder, 'out'), { shardSamples: 4096 });
    expect(dataSet.shards.map((shard) => shard.samples)).toEqual([3, 2]);
  });
});

describe('labelled samples alone', () => {
  it('are read however far apart they lie', async () => {
    const folder = temporaryFolder();
    const lines = Array.from({ length: 400 }, (_, i) => `${i},${[3, 4, 170, 399].includes(i) ? i % 3 : ''}`);
    writeFileSync(join(folder, 'x.csv'), lines.join('\n'));
    const recipe = sourceSchema.parse({ format: 'csv', inputs: 'x.csv', header: false, labels: 1, onlyLabelled: true });
    const source = await openSource(recipe, folder);
    expect([[...source.labels], [...(await source.read(0, 4))]]).toEqual([
      [0, 1, 2, 0],
      [3, 4, 170, 399],
    ]);
    expect([...(await source.read(2, 4))]).toEqual([170, 399]);
    await source.close();
  });
});

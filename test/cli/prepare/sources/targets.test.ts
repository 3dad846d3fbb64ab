/** Target vectors: read from every format, kept in shards, by whole rows missing or there. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Samples } from '../../../../shared/data/samples.js';
import { writeShards } from '../../../../cli/prepare/shards.js';
import { openSource, type SourceOptions } from '../../../../cli/prepare/sources/chosen-source.js';
import { sourceSchema } from '../../../../shared/recipe/data-schema.js';
import { arrayFiles } from './array-files.js';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-targets-'));
afterAll(() => rmSync(folder, { recursive: true }));

const { npy, idx } = arrayFiles(folder);

const lines = (name: string, rows: readonly unknown[]): void =>
  writeFileSync(join(folder, name), rows.map((row) => JSON.stringify(row)).join('\n'));

beforeAll(() => {
  npy('x.npy', [3, 1], [7, 8, 9]);
  npy('t.npy', [3, 2], [1.5, -2, NaN, NaN, 0, 4]);
  npy('one.npy', [3], [0.5, 1, 2]);
  npy('short.npy', [2, 2], [1, 2, 3, 4]);
  npy('half.npy', [3, 2], [1, 2, 3, NaN, 5, 6]);
  npy('endless.npy', [3, 2], [1, 2, 3, Infinity, 5, 6]);
  idx('x.idx', [3, 1], [7, 8, 9]);
  idx('t.idx', [3, 2], [1.5, -2, NaN, NaN, 0, 4]);
  writeFileSync(join(folder, 'rows.csv'), 'u,a,v\n1.5,7,-2\n,8,nan\n0,9,4\n');
  lines('lists.jsonl', [
    { a: 7, t: [1.5, -2] },
    { a: 8, t: null },
    { a: 9, t: [0, 4] },
  ]);
  lines('columns.jsonl', [
    { u: 1.5, a: 7, v: -2 },
    { u: null, a: 8, v: null },
    { u: 0, a: 9, v: 4 },
  ]);
  lines('late.jsonl', [
    { a: 7, t: null },
    { a: 8, t: [1] },
  ]);
  lines('ragged.jsonl', [
    { a: 7, t: [1, 2] },
    { a: 8, t: [1] },
  ]);
  lines('gap.jsonl', [
    { a: 7, u: 1, v: 2 },
    { a: 8, u: 1, v: null },
  ]);
  lines('more.jsonl', [{ a: 1 }, { a: 2 }, { a: 3 }]);
  writeFileSync(
    join(folder, 'rows.parquet'),
    new Uint8Array(
      parquetWriteBuffer({
        columnData: [
          { name: 'a', data: [7, 8, 9], type: 'DOUBLE' },
          { name: 't', data: [[1.5, -2], null, [0, 4]], type: 'JSON', nullable: true },
        ],
      }),
    ),
  );
});

async function told(recipe: unknown, options: SourceOptions = {}): Promise<unknown> {
  const source = await openSource(sourceSchema.parse(recipe), folder, options);
  const rows = [...(await source.read(0, source.samples))];
  await source.close();
  return {
    shape: source.shape,
    rows,
    labels: [...source.labels],
    width: source.targets?.width,
    targets: [...(source.targets?.values ?? [])],
  };
}

describe('target vectors', () => {
  const all = { shape: [1], rows: [7, 8, 9], labels: [0, -1, 0], width: 2, targets: [1.5, -2, 0, 0, 0, 4] };
  it.each([
    ['NPY', { format: 'npy', inputs: 'x.npy', targets: 't.npy' }],
    ['IDX', { format: 'idx', inputs: 'x.idx', targets: 't.idx' }],
    ['columns of CSV', { format: 'csv', inputs: 'rows.csv', targets: ['u', 'v'] }],
    ['lists of JSONL', { format: 'jsonl', inputs: 'lists.jsonl', column: 'a', targets: 't', shape: [1] }],
    ['columns of JSONL', { format: 'jsonl', inputs: 'columns.jsonl', targets: ['u', 'v'] }],
    ['lists of Parquet', { format: 'parquet', inputs: 'rows.parquet', targets: 't' }],
  ])('are read from %s, are no inputs, and are missing by whole rows', async (_, recipe) => {
    expect(await told(recipe)).toEqual(all);
  });

  it('are of one number where the file has no second dimension, and have the order that the columns are named in', async () => {
    expect(await told({ format: 'npy', inputs: 'x.npy', targets: 'one.npy' })).toMatchObject({
      width: 1,
      labels: [0, 0, 0],
      targets: [0.5, 1, 2],
    });
    expect(await told({ format: 'csv', inputs: 'rows.csv', targets: [2, 'u'] })).toMatchObject({
      width: 2,
      targets: [-2, 1.5, 0, 0, 4, 0],
    });
    expect(await told({ format: 'jsonl', inputs: 'late.jsonl', column: 'a', shape: [1], targets: 't' })).toMatchObject({
      width: 1,
      labels: [-1, 0],
      targets: [0, 1],
    });
  });

  it('follow limit, labelled and onlyLabelled', async () => {
    const npySource = { format: 'npy', inputs: 'x.npy', targets: 't.npy' };
    expect(await told({ ...npySource, limit: 1 })).toMatchObject({ rows: [7], labels: [0], targets: [1.5, -2] });
    expect(await told({ ...npySource, labelled: { first: 1 } })).toMatchObject({
      rows: [7, 8, 9],
      labels: [0, -1, -1],
    });
    expect(await told({ ...npySource, onlyLabelled: true })).toMatchObject({
      rows: [7, 9],
      labels: [0, 0],
      targets: [1.5, -2, 0, 4],
    });
  });

  it('are missing of samples that are mixed in, and stay with their own', async () => {
    const unlabelled = sourceSchema.parse({ format: 'jsonl', inputs: 'more.jsonl' });
    const found = await told({ format: 'csv', inputs: 'rows.csv', targets: ['u', 'v'] }, { unlabelled });
    expect(found).toEqual({
      shape: [1],
      rows: [1, 7, 2, 8, 3, 9],
      labels: [-1, 0, -1, -1, -1, 0],
      width: 2,
      targets: [0, 0, 1.5, -2, 0, 0, 0, 0, 0, 0, 0, 4],
    });
  });

  it.each([
    [
      'too few',
      { format: 'npy', inputs: 'x.npy', targets: 'short.npy' },
      /short\.npy: 2 targets; 3 were wanted, one for each sample/,
    ],
    [
      'half of one',
      { format: 'npy', inputs: 'x.npy', targets: 'half.npy' },
      /half\.npy: sample 1 has NaN in its target, at element 1; finite numbers were wanted, or NaN for all/,
    ],
    ['endless ones', { format: 'npy', inputs: 'x.npy', targets: 'endless.npy' }, /sample 1 has Infinity in its target/],
    [
      'of other lengths',
      { format: 'jsonl', inputs: 'ragged.jsonl', column: 'a', shape: [1], targets: 't' },
      /ragged\.jsonl: row 1 has a target of 1 number; 2 were wanted, as before/,
    ],
    [
      'with a gap',
      { format: 'jsonl', inputs: 'gap.jsonl', column: 'a', shape: [1], targets: ['u', 'v'] },
      /gap\.jsonl: line 2, v holds null; a number, or a list of them, was wanted/,
    ],
    [
      'in no such column',
      { format: 'csv', inputs: 'rows.csv', targets: 'w' },
      /no column w; one of u, a, v was wanted/,
    ],
  ])('are refused: %s', async (_, recipe, message) => {
    await expect(told(recipe)).rejects.toThrow(message);
  });
});

describe('shards', () => {
  it('keep target vectors and their means beside labels and weights, and other vectors are other shards', async () => {
    writeFileSync(join(folder, 'weighted.csv'), 'a,w,u,v\n7,2,1.5,-2\n8,3,,\n9,4,0,4\n');
    const source = sourceSchema.parse({ format: 'csv', inputs: 'weighted.csv', weights: 'w', targets: ['u', 'v'] });
    const { dataSet } = await writeShards(source, folder, join(folder, 'out'), { shardSamples: 2 });
    expect(dataSet.targets).toEqual({ width: 2, means: [0.75, 1] });
    const batch = await new Samples(dataSet, null, async (sha256) => join(folder, 'out', sha256)).gather(
      Uint32Array.of(2, 1, 0),
    );
    expect([batch.inputs, batch.labels, batch.weights, batch.vectors].map((values) => [...(values ?? [])])).toEqual([
      [9, 8, 7],
      [0, -1, 0],
      [4, 3, 2],
      [0, 4, 0, 0, 1.5, -2],
    ]);
    writeFileSync(join(folder, 'weighted.csv'), 'a,w,u,v\n7,2,1.5,-2\n8,3,,\n9,4,0,5\n');
    const other = await writeShards(source, folder, join(folder, 'out'), { shardSamples: 2 });
    expect(other.dataSet.shards.map(({ sha256 }, i) => sha256 === dataSet.shards[i]?.sha256)).toEqual([true, false]);
  });
});

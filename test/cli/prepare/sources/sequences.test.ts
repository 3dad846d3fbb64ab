/** Labels of positions, masks and padding labels: read from every format that has them, and kept in shards. */
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

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-sequences-'));
afterAll(() => rmSync(folder, { recursive: true }));

const { npy, idx } = arrayFiles(folder);

const inputs = [1, 2, 3, 4, 5, 6];
const labels = [0, 1, 2, -100, -1, -100];
const mask = [1, 1, 1, 0, 1, 0];

beforeAll(() => {
  npy('x.npy', [3, 2], inputs);
  npy('y.npy', [3, 2], labels);
  npy('m.npy', [3, 2], mask);
  npy('w.npy', [3], [2, 1, 0.5]);
  npy('wide.npy', [3, 4], new Array<number>(12).fill(0));
  npy('halves.npy', [3, 2], [1, 1, 1, 0.5, 1, 0]);
  idx('x.idx', [3, 2], inputs);
  idx('y.idx', [3, 2], labels);
  idx('m.idx', [3, 2], mask);
  const rows = [
    { x: [1, 2], y: [0, 1], m: [1, 1] },
    { x: [3, 4], y: [2, -100], m: [1, 0] },
    { x: [5, 6], y: [null, -100], m: [1, 0] },
  ];
  writeFileSync(join(folder, 'rows.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));
  writeFileSync(
    join(folder, 'ragged.jsonl'),
    [
      { x: [1, 2], y: [0, 1] },
      { x: [1, 2], y: [0] },
    ]
      .map((row) => JSON.stringify(row))
      .join('\n'),
  );
  writeFileSync(
    join(folder, 'named.jsonl'),
    [
      { x: [1, 2], y: ['b', null] },
      { x: [1, 2], y: null },
    ]
      .map((row) => JSON.stringify(row))
      .join('\n'),
  );
  writeFileSync(
    join(folder, 'rows.parquet'),
    new Uint8Array(
      parquetWriteBuffer({
        columnData: (['x', 'y', 'm'] as const).map((name) => ({
          name,
          data: rows.map((row) => row[name]),
          type: 'JSON' as const,
        })),
      }),
    ),
  );
});

interface Told {
  readonly rows: number[];
  readonly labels: number[];
  readonly positions: number | undefined;
  readonly weights: number[] | null;
}

async function told(recipe: unknown, options: SourceOptions = {}): Promise<Told> {
  const source = await openSource(sourceSchema.parse(recipe), folder, options);
  const rows = [...(await source.read(0, source.samples))];
  await source.close();
  return {
    rows,
    labels: [...source.labels],
    positions: source.positions,
    weights: source.weights === undefined ? null : [...source.weights],
  };
}

describe('sequences', () => {
  const all: Told = { rows: inputs, labels: [0, 1, 2, -1, -1, -1], positions: 2, weights: [1, 1, 1, 0, 1, 0] };
  it.each([
    ['NPY', { format: 'npy', inputs: 'x.npy', labels: 'y.npy' }, 'm.npy'],
    ['IDX', { format: 'idx', inputs: 'x.idx', labels: 'y.idx' }, 'm.idx'],
    ['JSONL', { format: 'jsonl', inputs: 'rows.jsonl', column: 'x', labels: 'y' }, 'm'],
    ['Parquet', { format: 'parquet', inputs: 'rows.parquet', column: 'x', labels: 'y' }, 'm'],
  ])('are read from %s; positions count by a mask, or by their label', async (_, recipe, column) => {
    expect(await told({ ...recipe, paddingLabel: -100 })).toEqual(all);
    expect(await told({ ...recipe, paddingLabel: -100, mask: column })).toEqual(all);
    expect(await told({ ...recipe, labels: undefined, mask: column })).toEqual({
      ...all,
      labels: [-1, -1, -1, -1, -1, -1],
    });
  });

  it('may have names for labels, and none', async () => {
    expect(
      await told({ format: 'jsonl', inputs: 'named.jsonl', column: 'x', labels: 'y' }, { classNames: ['a', 'b'] }),
    ).toMatchObject({ labels: [1, -1, -1, -1], positions: 2, weights: null });
  });

  it('follow weights, limit, labelled and onlyLabelled, which takes those with a label somewhere', async () => {
    const recipe = { format: 'npy', inputs: 'x.npy', labels: 'y.npy', paddingLabel: -100 };
    expect((await told({ ...recipe, weights: 'w.npy' })).weights).toEqual([2, 2, 1, 0, 0.5, 0]);
    expect(await told({ ...recipe, limit: 2 })).toMatchObject({ labels: [0, 1, 2, -1], weights: [1, 1, 1, 0] });
    expect(await told({ ...recipe, labelled: { first: 1 } })).toMatchObject({
      labels: [0, 1, -1, -1, -1, -1],
      weights: all.weights,
    });
    expect(await told({ ...recipe, onlyLabelled: true })).toEqual({
      rows: [1, 2, 3, 4],
      labels: [0, 1, 2, -1],
      positions: 2,
      weights: [1, 1, 1, 0],
    });
  });

  it('have their masks where others are mixed in', async () => {
    const unlabelled = sourceSchema.parse({ format: 'npy', inputs: 'x.npy', mask: 'm.npy' });
    expect(await told({ format: 'npy', inputs: 'x.npy', labels: 'y.npy', paddingLabel: -100 }, { unlabelled })).toEqual(
      {
        rows: [1, 2, 1, 2, 3, 4, 3, 4, 5, 6, 5, 6],
        labels: [-1, -1, 0, 1, -1, -1, 2, -1, -1, -1, -1, -1],
        positions: 2,
        weights: [1, 1, 1, 1, 1, 0, 1, 0, 1, 0, 1, 0],
      },
    );
    const bare = sourceSchema.parse({ format: 'npy', inputs: 'x.npy', weights: 'w.npy' });
    expect(
      (await told({ format: 'npy', inputs: 'x.npy', labels: 'y.npy', paddingLabel: -100 }, { unlabelled: bare }))
        .weights,
    ).toEqual([2, 2, 1, 1, 1, 1, 1, 0, 0.5, 0.5, 1, 0]);
  });

  it.each([
    [
      'masks of other lengths',
      { format: 'npy', inputs: 'x.npy', labels: 'y.npy', mask: 'wide.npy', paddingLabel: -100 },
      /wide\.npy: a mask of \[3, 4\]; \[3, 2\] was wanted, a number for each position of each sample/,
    ],
    [
      'a mask of a half',
      { format: 'npy', inputs: 'x.npy', mask: 'halves.npy' },
      /halves\.npy: sample 1 has 0\.5 in its mask, at position 1; 0 or 1 was wanted/,
    ],
    [
      'an unknown padding label',
      { format: 'npy', inputs: 'x.npy', labels: 'y.npy' },
      /y\.npy: sample 1 has label -100 at position 1; a class number from 0, or -1 for none, was wanted/,
    ],
    [
      'rows of other lengths',
      { format: 'jsonl', inputs: 'ragged.jsonl', column: 'x', labels: 'y' },
      /ragged\.jsonl: row 1, y is a list of 1; one of 2 was wanted, as before \(pad, /,
    ],
  ])('are refused with %s', async (_, recipe, message) => {
    await expect(told(recipe)).rejects.toThrow(message);
  });

  it('are kept in shards, label and weight by position', async () => {
    const source = sourceSchema.parse({
      format: 'npy',
      inputs: 'x.npy',
      labels: 'y.npy',
      paddingLabel: -100,
      weights: 'w.npy',
    });
    const { dataSet } = await writeShards(source, folder, join(folder, 'out'), { shardSamples: 2 });
    expect(dataSet).toMatchObject({ samples: 3, positions: 2, isWeighted: true });
    const batch = await new Samples(dataSet, null, async (sha256) => join(folder, 'out', sha256)).gather(
      Uint32Array.of(2, 0, 1),
    );
    expect([batch.inputs, batch.labels, batch.weights].map((values) => [...(values ?? [])])).toEqual([
      [5, 6, 1, 2, 3, 4],
      [-1, -1, 0, 1, 2, -1],
      [0.5, 0, 2, 2, 1, 0],
    ]);
  });
});

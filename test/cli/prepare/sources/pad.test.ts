/** Lists of different lengths: brought to one by what the recipe says of their column, or refused with what it may say. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkSamples } from '../../../../cli/prepare/data-checks.js';
import { writeShards, type WrittenData } from '../../../../cli/prepare/shards.js';
import { openSource, type SourceOptions } from '../../../../cli/prepare/sources/chosen-source.js';
import { sourceSchema } from '../../../../shared/recipe/data-schema.js';
import { readRecipe } from '../../../../shared/recipe/read.js';
import { temporaryFolder } from '../../../worker/fakes.js';
import { exampleOf, recordOf, type Values } from './records.js';

const folder = temporaryFolder();
const texts = [
  { ids: [7, 8, 9], types: [0, 1, 1], age: 30, label: 1 },
  { ids: [5], types: [0], age: 40, label: 0 },
  { ids: [], types: [], age: 50, label: null },
];
const tagged = [
  { ids: [7, 8, 9], tags: [0, 2, 1], seen: [1, 1, 0] },
  { ids: [5, 6], tags: [1, -100], seen: [1, 1] },
  { ids: [4], tags: null, seen: [1] },
];
const frames = [
  { x: [[1, 2]], label: 0 },
  {
    x: [
      [3, 4],
      [5, 6],
    ],
    label: 1,
  },
];

/** The same rows as JSON lines and as Parquet. */
function write(name: string, rows: readonly Readonly<Record<string, unknown>>[]): void {
  writeFileSync(join(folder, `${name}.jsonl`), rows.map((row) => JSON.stringify(row)).join('\n'));
  const names = Object.keys(rows[0] ?? {});
  const columnData = names.map((column) => ({
    name: column,
    data: rows.map((row) => row[column]),
    type: 'JSON' as const,
  }));
  writeFileSync(join(folder, `${name}.parquet`), new Uint8Array(parquetWriteBuffer({ columnData })));
}

beforeAll(() => {
  write('texts', texts);
  write('tagged', tagged);
  write('frames', frames);
  write('crossed', [
    { a: [1, 2], b: [3] },
    { a: [1], b: [2, 3] },
  ]);
  write('untagged', [
    { ids: [1, 2], tags: [0, 1] },
    { ids: [1, 2], tags: [0] },
  ]);
});

const told = async (recipe: object, options: SourceOptions = {}) => {
  const source = await openSource(sourceSchema.parse(recipe), folder, options);
  const { shape, labels, positions, weights, parts } = source;
  const rows = [...(await source.read(0, source.samples))];
  return { shape, rows, parts, positions, labels: [...labels], weights: weights && [...weights] };
};

describe.each(['jsonl', 'parquet'])('lists of different lengths in %s', (format) => {
  const from = (name: string, fields: object = {}): object => ({ format, inputs: `${name}.${format}`, ...fields });

  it('are brought to the length that the recipe says, with its number behind their end', async () => {
    const pad = { ids: { length: 4, value: 1 }, types: { length: 3 } };
    const found = await told(from('texts', { column: ['ids', 'types', 'age'], labels: 'label', pad }));
    expect(found).toEqual({
      shape: [8],
      parts: [
        { name: 'ids', shape: [4], padding: 1 },
        { name: 'types', shape: [3], padding: 0 },
        { name: 'age', shape: [1] },
      ],
      rows: [...[7, 8, 9, 1, 0, 1, 1, 30], ...[5, 1, 1, 1, 0, 0, 0, 40], ...[1, 1, 1, 1, 0, 0, 0, 50]],
      labels: [1, 0, -1],
      positions: undefined,
      weights: undefined,
    });
  });

  it('are filled up step by step, where a step has several numbers', async () => {
    const pad = { x: { length: 3, value: -1 } };
    const found = await told(from('frames', { column: 'x', labels: 'label', pad }));
    expect([found.shape, found.rows]).toEqual([
      [3, 2],
      [1, 2, -1, -1, -1, -1, 3, 4, 5, 6, -1, -1],
    ]);
  });

  it('leave positions of a sequence that do not count, in its labels and its mask', async () => {
    const pad = { ids: { length: 4 } };
    const sequence: SourceOptions = { task: 'sequence' };
    const found = await told(from('tagged', { column: 'ids', labels: 'tags', paddingLabel: -100, pad }), sequence);
    expect(found).toMatchObject({
      shape: [4],
      positions: 4,
      rows: [...[7, 8, 9, 0], ...[5, 6, 0, 0], ...[4, 0, 0, 0]],
      labels: [...[0, 2, 1, -1], ...[1, -1, -1, -1], ...[-1, -1, -1, -1]],
      weights: [...[1, 1, 1, 0], ...[1, 0, 0, 0], ...[1, 0, 0, 0]],
    });
    const masked = from('tagged', { column: 'ids', labels: 'tags', mask: 'seen', paddingLabel: -100, pad });
    expect((await told(masked, sequence)).weights).toEqual([...[1, 1, 0, 0], ...[1, 0, 0, 0], ...[1, 0, 0, 0]]);
  });

  it.each<[string, object, SourceOptions, RegExp]>([
    [
      'nothing said of them',
      from('texts', { column: 'ids', labels: 'label' }),
      {},
      / (line 2|row 1), ids has length 1, and 3 in the first row; the same length was wanted, or pad: \{ ids: \{ length: N, value: 0 \} \} in the recipe, N that of the longest$/,
    ],
    [
      'nothing said of them, where all numbers of a row are as many as before',
      from('crossed'),
      {},
      / (line 2|row 1), a has length 1, and 2 in the first row; /,
    ],
    [
      'a longer list than is said',
      from('texts', { column: 'ids', labels: 'label', pad: { ids: { length: 2 } } }),
      {},
      / (line 1|row 0), ids is a list of 3; 2 at most was wanted \(pad\.ids\.length\), or lists that are cut before$/,
    ],
    [
      'padding of another column',
      from('texts', { column: 'ids', labels: 'label', pad: { types: { length: 4 } } }),
      {},
      /: pad\.types: no column of the inputs; one of ids was wanted$/,
    ],
    [
      'labels of another length than the inputs',
      from('untagged', { column: 'ids', labels: 'tags', pad: { ids: { length: 3 } } }),
      { task: 'sequence' },
      / (line 2|row 1), tags is a list of 1; 2 was wanted, as of ids$/,
    ],
  ])('are refused with %s', async (_case, recipe, options, message) => {
    const reading = told(recipe, options);
    await expect(reading).rejects.toMatchObject({ exitCode: 65 });
    await expect(reading).rejects.toThrow(message);
  });
});

describe('data sets that are padded with different numbers', () => {
  const padded = (value: number) =>
    sourceSchema.parse({ format: 'jsonl', inputs: 'frames.jsonl', column: 'x', pad: { x: { length: 2, value } } });
  const written = (value: number): Promise<WrittenData> =>
    writeShards(padded(value), folder, join(folder, 'shards'), { shardSamples: 10 });

  it('are refused as training and evaluation set, and as unlabelled samples', async () => {
    const { recipe } = readRecipe(
      'student: { builtin: mlp }\nlosses: { crossEntropy: { weight: 1 } }\ndata: { train: { format: csv, inputs: a.csv, labels: label } }\noptimizer: { name: sgd, learningRate: 1 }\nbatch: { size: 1 }\nepochs: 1\n',
      { file: 'r.yaml' },
    );
    const [train, same, other] = [await written(0), await written(0), await written(1)];
    expect(() => checkSamples(recipe, { train, evaluation: same })).not.toThrow();
    expect(() => checkSamples(recipe, { train, evaluation: other })).toThrow(
      'data.eval: pad.x.value is another than that of data.train; the same wanted',
    );
    await expect(openSource(padded(0), folder, { unlabelled: padded(1) })).rejects.toThrow(
      /frames\.jsonl: pad\.x\.value is another; that of .*frames\.jsonl wanted$/,
    );
  });
});

describe('sequences of one position', () => {
  const told = async (recipe: object): Promise<object> => {
    const source = await openSource(sourceSchema.parse(recipe), folder, { task: 'sequence' });
    const { labels, weights, positions, samples } = source;
    const rows = [...(await source.read(0, samples))];
    await source.close();
    return { rows, labels: [...labels], weights: weights && [...weights], positions };
  };
  const both = async (
    name: string,
    rows: readonly Readonly<Record<string, Values>>[],
    recipe: object,
  ): Promise<object> => {
    writeFileSync(join(folder, `${name}.jsonl`), rows.map((row) => JSON.stringify(row)).join('\n'));
    writeFileSync(join(folder, `${name}.tfrecord`), Buffer.concat(rows.map((row) => recordOf(exampleOf(row)))));
    const found = await told({ format: 'jsonl', inputs: `${name}.jsonl`, ...recipe });
    expect(await told({ format: 'tfrecord', inputs: `${name}.tfrecord`, ...recipe })).toEqual(found);
    return found;
  };
  const recipe = { column: 'ids', labels: 'tags' };

  it('are the same in TFRecord, where a list of one is like a number, as in JSONL', async () => {
    const pad = { ids: { length: 2, value: 0 } };
    const rows = [
      { ids: [5, 6], tags: [1, 2] },
      { ids: [7], tags: [3] },
      { ids: [8], tags: null },
    ];
    expect(await both('short', rows, { ...recipe, pad })).toEqual({
      rows: [5, 6, 7, 0, 8, 0],
      labels: [1, 2, 3, -1, -1, -1],
      weights: [1, 1, 1, 0, 1, 0],
      positions: 2,
    });
    const seen = rows.map((row) => ({ ...row, seen: row.ids.map(() => 1) }));
    await both('seen', seen, { ...recipe, pad, mask: 'seen' });
    await both('first', rows.slice(1), { ...recipe, pad });
    expect(await both('ones', rows.slice(1), recipe)).toMatchObject({ labels: [3, -1], positions: 1 });
  });

  it('do not lose a label that is a number among lists', async () => {
    const rows = [
      { ids: [5, 6], tags: [1, 2] },
      { ids: [7, 8], tags: 3 },
    ];
    await expect(both('mixed', rows, recipe)).rejects.toThrow(/row 1, tags is a list of 1; one of 2 was wanted/);
  });
});

/** Image folders, JSONL and Parquet: what is read of them, and what is refused with which line. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSource, type SourceOptions } from '../../../../cli/prepare/sources/chosen-source.js';
import { sourceSchema } from '../../../../shared/recipe/data-schema.js';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-formats-'));
afterAll(() => rmSync(folder, { recursive: true }));
const write = (name: string, lines: readonly unknown[]): void =>
  writeFileSync(
    join(folder, name),
    lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
  );

async function image(
  path: string,
  channels: 1 | 3,
  values: readonly number[],
  [height, width] = [2, 2],
): Promise<void> {
  mkdirSync(join(folder, path, '..'), { recursive: true });
  const raw = sharp(Uint8Array.from(values), { raw: { height, width, channels } });
  await (channels === 1 ? raw.toColourspace('b-w') : raw).toFile(join(folder, path));
}

interface Read {
  readonly shape: readonly number[];
  readonly labels: readonly number[];
  readonly rows: readonly number[];
  readonly classNames: readonly string[] | undefined;
}

async function read(recipe: unknown, options: SourceOptions = {}): Promise<Read> {
  const source = await openSource(sourceSchema.parse(recipe), folder, options);
  // In two pieces, as shards are.
  const cut = Math.ceil(source.samples / 2);
  const rows = [...(await source.read(0, cut)), ...(await source.read(cut, source.samples))];
  await source.close();
  return { shape: source.shape, labels: [...source.labels], rows, classNames: source.classNames };
}

beforeAll(async () => {
  for (const [i, name] of ['b/1.png', 'b/2.PNG', 'b/3.png', 'a/9.png', 'a/8.png'].entries())
    await image(name.replace('PNG', 'png'), 1, [i, 10 + i, 20 + i, 30 + i]);
  mkdirSync(join(folder, 'all'));
  for (const [i, path] of ['all/b/1.png', 'all/b/2.png', 'all/b/3.png', 'all/a/9.png', 'all/a/8.png'].entries())
    await image(path, 1, [i, 10 + i, 20 + i, 30 + i]);
  writeFileSync(join(folder, 'all/a/notes.txt'), 'no image');
  await image('mixed/1.png', 3, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  await image(
    'mixed/2.png',
    1,
    Array.from({ length: 12 }, (_, i) => i),
    [4, 3],
  );
  mkdirSync(join(folder, 'bad'));
  writeFileSync(join(folder, 'bad/1.jpg'), 'no image at all');
  write('rows.jsonl', [
    {
      x: [
        [1, 2],
        [3, 4],
      ],
      y: 1,
    },
    '',
    {
      x: [
        [5, 6],
        [7, 8],
      ],
      y: null,
    },
    {
      x: [
        [9, 10],
        [11, 12],
      ],
      y: 0,
    },
  ]);
  write('columns.jsonl', [
    { a: 1, label: 'dog', b: 2 },
    { b: 4, a: 3 },
  ]);
  write('short.jsonl', [
    { x: [1, 2], y: 0 },
    { x: [1], y: 0 },
  ]);
  write('text.jsonl', [
    { x: [1], y: 0 },
    { x: ['one'], y: 0 },
  ]);
  write('broken.jsonl', [{ x: [1], y: 0 }, '{"x": [1']);
  write('list.jsonl', ['[1, 2]']);
  const columnData = [
    {
      name: 'x',
      data: [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      type: 'JSON' as const,
    },
    { name: 'y', data: [2, 0, 1], type: 'INT32' as const },
  ];
  writeFileSync(join(folder, 'rows.parquet'), new Uint8Array(parquetWriteBuffer({ columnData })));
  writeFileSync(
    join(folder, 'flat.parquet'),
    new Uint8Array(
      parquetWriteBuffer({
        columnData: [
          { name: 'a', data: [1.5, 2.5], type: 'DOUBLE' },
          { name: 'kind', data: ['dog', 'cat'], type: 'STRING' },
          { name: 'b', data: [3n, 4n], type: 'INT64' },
        ],
      }),
    ),
  );
  writeFileSync(join(folder, 'no.parquet'), 'nothing');
});

describe('image folders', () => {
  it('give a class to each subfolder, by name, and take them in turn', async () => {
    expect(await read({ format: 'folder', images: 'all', labels: 'folders' })).toEqual({
      shape: [2, 2, 1],
      labels: [0, 1, 0, 1, 1],
      classNames: ['a', 'b'],
      rows: [4, 14, 24, 34, 0, 10, 20, 30, 3, 13, 23, 33, 1, 11, 21, 31, 2, 12, 22, 32],
    });
  });

  it('take the classes in the order that the recipe has', async () => {
    const { labels, classNames } = await read(
      { format: 'folder', images: 'all', labels: 'folders' },
      { classNames: ['c', 'b', 'a'] },
    );
    expect([labels, classNames]).toEqual([
      [1, 2, 1, 2, 1],
      ['c', 'b', 'a'],
    ]);
  });

  it('are unlabelled, with all that lies below, where nothing else is said', async () => {
    const { labels, rows } = await read({ format: 'folder', images: 'all', limit: 3 });
    expect([labels, rows.filter((_, i) => i % 4 === 0)]).toEqual([
      [-1, -1, -1],
      [4, 3, 0],
    ]);
  });

  it('are brought to one size and one number of channels where the recipe says so', async () => {
    const { shape, rows } = await read({ format: 'folder', images: 'mixed', size: [2, 2], channels: 3 });
    expect(shape).toEqual([2, 2, 3]);
    expect(rows.slice(0, 12)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    // Grey has three equal channels.
    expect(rows.slice(12).every((value, i) => value === rows[12 + 3 * Math.floor(i / 3)])).toBe(true);
  });

  it.each([
    ['another size', { images: 'mixed' }, {}, 65, /mixed.2\.png: an image of \[4, 3, 3\]; \[2, 2, 3\] was wanted/],
    ['no image', { images: 'bad' }, {}, 65, /bad.1\.jpg: no image that can be decoded/],
    ['no subfolders', { images: 'mixed', labels: 'folders' }, {}, 2, /mixed: no subfolders; one a class was wanted/],
    [
      'a folder of no class',
      { images: 'all', labels: 'folders' },
      { classNames: ['a', 'c'] },
      2,
      /all.b: a folder of no class; one of data.classNames \(a, c\) was wanted/,
    ],
    ['no folder', { images: 'nowhere' }, {}, 2, /nowhere: no such file/],
  ])('are refused with %s', async (_, recipe, options, exitCode, message) => {
    await expect(read({ format: 'folder', ...recipe }, options)).rejects.toMatchObject({
      name: 'UserError',
      exitCode,
      message: expect.stringMatching(message),
    });
  });
});

describe('JSONL', () => {
  it('gives the lists of a column, in their shape, and null for no label', async () => {
    expect(await read({ format: 'jsonl', inputs: 'rows.jsonl', column: 'x', labels: 'y' })).toMatchObject({
      shape: [2, 2],
      labels: [1, -1, 0],
      rows: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    });
  });

  it("gives all columns but the label, by name, and labels by the classes' names", async () => {
    expect(
      await read({ format: 'jsonl', inputs: 'columns.jsonl', labels: 'label' }, { classNames: ['cat', 'dog'] }),
    ).toMatchObject({ shape: [2], labels: [1, -1], rows: [1, 2, 3, 4] });
  });

  it.each([
    [
      'a short row',
      { inputs: 'short.jsonl', column: 'x' },
      /short\.jsonl: line 2, x has length 1, and 2 in the first row; the same length was wanted, or pad: \{ x: \{ length: N, value: 0 \} \} in the recipe, N that of the longest$/,
    ],
    [
      'text',
      { inputs: 'text.jsonl', column: 'x' },
      /text\.jsonl: line 2, x holds \["one"\]; a number, or a list of them, was wanted/,
    ],
    ['half a line', { inputs: 'broken.jsonl', column: 'x' }, /broken\.jsonl: line 2 is no JSON/],
    ['no object', { inputs: 'list.jsonl' }, /list\.jsonl: line 1 is no object/],
    [
      'no such column',
      { inputs: 'rows.jsonl', column: 'z' },
      /rows\.jsonl: line 1 has no column z, but x, y; every line wants it/,
    ],
    ['no file', { inputs: 'nothing.jsonl' }, /nothing\.jsonl: no such file/],
  ])('is refused with %s', async (_, recipe, message) => {
    await expect(read({ format: 'jsonl', ...recipe })).rejects.toThrow(message);
  });
});

describe('Parquet', () => {
  it('gives the lists of a column and the labels of another', async () => {
    expect(await read({ format: 'parquet', inputs: 'rows.parquet', column: 'x', labels: 'y' })).toMatchObject({
      shape: [2],
      labels: [2, 0, 1],
      rows: [1, 2, 3, 4, 5, 6],
    });
  });

  it('gives columns of any number type, one after the other', async () => {
    expect(
      await read({ format: 'parquet', inputs: 'flat.parquet', labels: 'kind' }, { classNames: ['cat', 'dog'] }),
    ).toMatchObject({ shape: [2], labels: [1, 0], rows: [1.5, 3, 2.5, 4] });
  });

  it.each([
    ['another file', { inputs: 'no.parquet' }, /no\.parquet: no Parquet file that can be read/],
    ['no such column', { inputs: 'rows.parquet', labels: 'z' }, /rows\.parquet: no column z; one of x, y was wanted/],
    ['no file', { inputs: 'nothing.parquet' }, /nothing\.parquet: no such file/],
  ])('is refused with %s', async (_, recipe, message) => {
    await expect(read({ format: 'parquet', ...recipe })).rejects.toThrow(message);
  });
});

describe('sample weights', () => {
  const weightsOf = async (recipe: unknown, options: SourceOptions = {}): Promise<number[] | undefined> => {
    const source = await openSource(sourceSchema.parse(recipe), folder, options);
    return source.weights === undefined ? undefined : [...source.weights];
  };

  beforeAll(() => {
    writeFileSync(join(folder, 'weighted.csv'), 'a,w,kind\n1,0.5,0\n2,2,\n3,0,1\n');
    write('weighted.jsonl', [
      { a: 1, w: 0.5 },
      { a: 2, w: 3 },
    ]);
    write('negative.jsonl', [
      { a: 1, w: 1 },
      { a: 2, w: -1 },
    ]);
    writeFileSync(
      join(folder, 'weighted.parquet'),
      new Uint8Array(
        parquetWriteBuffer({
          columnData: [
            { name: 'a', data: [1, 2], type: 'DOUBLE' },
            { name: 'w', data: [0.25, 4], type: 'DOUBLE' },
          ],
        }),
      ),
    );
    for (const [name, count] of [
      ['x', 2],
      ['w', 2],
      ['short', 1],
    ] as const) {
      const body = Buffer.alloc(8 + 4 * count);
      body.set([0, 0, 0x0d, 1, 0, 0, 0, count]);
      for (let i = 0; i < count; i++) body.writeFloatBE(i + 0.5, 8 + 4 * i);
      writeFileSync(join(folder, `${name}.idx`), body);
    }
  });

  it.each([
    ['CSV', { format: 'csv', inputs: 'weighted.csv', labels: 'kind', weights: 'w' }, [0.5, 2, 0]],
    [
      'CSV, of those with a label',
      { format: 'csv', inputs: 'weighted.csv', labels: 'kind', weights: 'w', onlyLabelled: true },
      [0.5, 0],
    ],
    ['JSONL', { format: 'jsonl', inputs: 'weighted.jsonl', weights: 'w' }, [0.5, 3]],
    ['Parquet', { format: 'parquet', inputs: 'weighted.parquet', weights: 'w' }, [0.25, 4]],
    ['IDX', { format: 'idx', inputs: 'x.idx', weights: 'w.idx' }, [0.5, 1.5]],
    ['a source without any', { format: 'jsonl', inputs: 'weighted.jsonl' }, undefined],
  ])('are read from %s, and are no inputs', async (_, recipe, weights) => {
    expect(await weightsOf(recipe)).toEqual(weights);
    if (weights !== undefined) expect((await read(recipe)).shape).toEqual([1]);
  });

  it('are 1 for samples that are mixed in without', async () => {
    const more = sourceSchema.parse({ format: 'jsonl', inputs: 'weighted.jsonl', column: 'a' });
    expect(
      (
        await weightsOf({ format: 'jsonl', inputs: 'weighted.jsonl', column: 'a', weights: 'w' }, { unlabelled: more })
      )?.sort(),
    ).toEqual([0.5, 1, 1, 3]);
  });

  it.each([
    [
      'negative ones',
      { format: 'jsonl', inputs: 'negative.jsonl', weights: 'w' },
      /negative\.jsonl: sample 1 has weight -1; a number from 0 was wanted/,
    ],
    [
      'too few',
      { format: 'idx', inputs: 'x.idx', weights: 'short.idx' },
      /short\.idx: 1 weight; 2 were wanted, one for each sample/,
    ],
    [
      'no such column',
      { format: 'csv', inputs: 'weighted.csv', weights: 'v' },
      /no column v; one of a, w, kind was wanted/,
    ],
  ])('are refused: %s', async (_, recipe, message) => {
    await expect(weightsOf(recipe)).rejects.toThrow(message);
  });
});

describe('unlabelled samples beside labelled ones', () => {
  const labelled = { format: 'jsonl', inputs: 'rows.jsonl', column: 'x', labels: 'y' };

  it('are mixed in evenly, every sample once, wherever the whole is cut', async () => {
    write(
      'more.jsonl',
      Array.from({ length: 7 }, (_, i) => ({
        x: [
          [100 + i, 0],
          [0, 0],
        ],
      })),
    );
    const more = sourceSchema.parse({ format: 'jsonl', inputs: 'more.jsonl', column: 'x' });
    const { labels, rows } = await read(labelled, { unlabelled: more });
    const first = rows.filter((_, i) => i % 4 === 0);
    expect(first.filter((value) => value >= 100)).toEqual([100, 101, 102, 103, 104, 105, 106]);
    expect(first.map((value, i) => [value, labels[i]]).filter(([value = 0]) => value < 100)).toEqual([
      [1, 1],
      [5, -1],
      [9, 0],
    ]);
    const places = first.flatMap((value, i) => (value < 100 ? [i] : []));
    expect(places).toEqual([3, 6, 9]);
  });

  it('are refused when they are of another shape', async () => {
    const other = sourceSchema.parse({ format: 'jsonl', inputs: 'short.jsonl', column: 'x', limit: 1 });
    write('one.jsonl', [{ x: [1, 2] }]);
    await expect(read(labelled, { unlabelled: { ...other, inputs: 'one.jsonl' } as typeof other })).rejects.toThrow(
      /one\.jsonl: samples of \[2\]; \[2, 2\] wanted, as in .*rows\.jsonl/,
    );
  });
});

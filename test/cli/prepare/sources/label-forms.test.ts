/** Labels as people keep them: in a column of their own, one-hot, true and false, by name. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSource, type SourceOptions } from '../../../../cli/prepare/sources/chosen-source.js';
import { sourceSchema } from '../../../../shared/recipe/data-schema.js';
import { arrayFiles } from './array-files.js';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-labels-'));
afterAll(() => rmSync(folder, { recursive: true }));
const { npy, idx } = arrayFiles(folder);
const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
const jsonl = (name: string, labels: readonly unknown[]): void =>
  write(name, labels.map((y, x) => JSON.stringify({ x, y })).join('\n'));
function parquet(name: string, y: unknown[], type: 'STRING' | 'BOOLEAN' | 'JSON' | 'BYTE_ARRAY'): void {
  const columnData = [
    { name: 'x', data: y.map((_, i) => i), type: 'DOUBLE' as const },
    { name: 'y', data: y, type, nullable: true },
  ];
  writeFileSync(join(folder, name), new Uint8Array(parquetWriteBuffer({ columnData })));
}

/** Texts of four letters, as NumPy keeps them: four bytes a letter. */
function texts(name: string, values: readonly string[]): void {
  const header = `{'descr': '<U4', 'fortran_order': False, 'shape': (${values.length},), }`.padEnd(117) + '\n';
  const body = Buffer.alloc(16 * values.length);
  values.forEach((text, i) =>
    Array.from(text).forEach((letter, k) => body.writeUInt32LE(letter.codePointAt(0) ?? 0, 16 * i + 4 * k)),
  );
  writeFileSync(
    join(folder, name),
    Buffer.concat([Buffer.from('\x93NUMPY\x01\x00\x76\x00', 'latin1'), Buffer.from(header), body]),
  );
}

interface Told {
  readonly labels: readonly number[];
  readonly positions: number | undefined;
  readonly classes: number | undefined;
  readonly classNames: readonly string[] | undefined;
  readonly notes: readonly string[];
}

async function told(recipe: object, options: SourceOptions = {}): Promise<Told> {
  const {
    labels,
    positions,
    classes,
    classNames,
    notes = [],
  } = await openSource(sourceSchema.parse(recipe), folder, options);
  return {
    labels: [...labels],
    positions,
    classes,
    classNames,
    notes: notes.map(({ text }) => text.replace(folder, '')),
  };
}

beforeAll(() => {
  npy('x.npy', [3, 1], [0, 1, 2]);
  npy('x5.npy', [5, 1], [0, 1, 2, 3, 4]);
  idx('x.idx', [3, 1], [0, 1, 2]);
});

const inNpy = { format: 'npy', inputs: 'x.npy' };
const inJsonl = { format: 'jsonl', column: 'x', labels: 'y' };
const inParquet = { format: 'parquet', column: 'x', labels: 'y' };

describe('labels of [samples, 1]', () => {
  it.each([
    ['NPY', () => npy('y1.npy', [3, 1], [2, 0, -1]), { ...inNpy, labels: 'y1.npy' }],
    ['IDX', () => idx('y1.idx', [3, 1], [2, 0, -1]), { format: 'idx', inputs: 'x.idx', labels: 'y1.idx' }],
    ['JSONL', () => jsonl('y1.jsonl', [[2], [0], null]), { ...inJsonl, inputs: 'y1.jsonl' }],
    ['Parquet', () => parquet('y1.parquet', [[2], [0], null], 'JSON'), { ...inParquet, inputs: 'y1.parquet' }],
  ])('are one a sample: %s', async (_, make, recipe) => {
    make();
    expect(await told(recipe)).toMatchObject({ labels: [2, 0, -1], positions: undefined, classes: undefined });
    expect(await told(recipe, { task: 'sequence' })).toMatchObject({ labels: [2, 0, -1], positions: 1 });
  });
});

describe('one-hot labels', () => {
  const hot = [
    [0, 1, 0],
    [1, 0, 0],
    [0, 1, 0],
  ];
  it.each([
    ['NPY', () => npy('hot.npy', [3, 3], hot.flat()), { ...inNpy, labels: 'hot.npy' }],
    ['JSONL', () => jsonl('hot.jsonl', hot), { ...inJsonl, inputs: 'hot.jsonl' }],
    [
      'true and false',
      () =>
        jsonl(
          'hot.jsonl',
          hot.map((row) => row.map(Boolean)),
        ),
      { ...inJsonl, inputs: 'hot.jsonl' },
    ],
    ['Parquet', () => parquet('hot.parquet', hot, 'JSON'), { ...inParquet, inputs: 'hot.parquet' }],
  ])('are the class of the one, and tell how many classes there are: %s', async (_, make, recipe) => {
    make();
    expect(await told(recipe)).toMatchObject({ labels: [1, 0, 1], positions: undefined, classes: 3 });
    expect(await told(recipe, { task: 'sequence' })).toMatchObject({ labels: hot.flat(), positions: 3 });
  });

  it('are none with two ones or another number, nor beside a padding label', async () => {
    npy('two.npy', [3, 3], [0, 1, 0, 1, 1, 0, 0, 1, 0]);
    npy('half.npy', [3, 3], [0, 1, 0, 1, 0, 0, 0, 2, 0]);
    npy('hot.npy', [3, 3], hot.flat());
    for (const recipe of [{ labels: 'two.npy' }, { labels: 'half.npy' }, { labels: 'hot.npy', paddingLabel: 7 }])
      expect((await told({ ...inNpy, ...recipe })).positions).toBe(3);
  });
});

it('labels that are true and false are 1 and 0', async () => {
  jsonl('bool.jsonl', [true, false, null]);
  parquet('bool.parquet', [true, false, null], 'BOOLEAN');
  write('bool.csv', 'x,b,y\n1,True,True\n2,False,FALSE\n3,true,\n');
  const expected = { labels: [1, 0, -1], classNames: undefined };
  expect(await told({ ...inJsonl, inputs: 'bool.jsonl' })).toMatchObject(expected);
  expect(await told({ ...inParquet, inputs: 'bool.parquet' })).toMatchObject(expected);
  expect(await told({ format: 'csv', inputs: 'bool.csv', labels: 'y' })).toMatchObject(expected);
  const source = await openSource(sourceSchema.parse({ format: 'csv', inputs: 'bool.csv', labels: 'y' }), folder);
  expect([...(await source.read(0, 3))]).toEqual([1, 1, 2, 0, 3, 1]);
});

describe('labels by name', () => {
  const names = ['cat', 'ant', '', 'cat', 'bee'];
  const nulls = names.map((name) => (name === '' ? null : name));
  const cases: [string, () => void, object][] = [
    [
      'CSV',
      () => write('n.csv', `x,y\n${names.map((name, x) => `${x}, ${name}`).join('\n')}\n`),
      { format: 'csv', inputs: 'n.csv', labels: 'y' },
    ],
    ['JSONL', () => jsonl('n.jsonl', nulls), { ...inJsonl, inputs: 'n.jsonl' }],
    ['Parquet', () => parquet('n.parquet', nulls, 'STRING'), { ...inParquet, inputs: 'n.parquet' }],
    [
      'bytes of Parquet',
      () =>
        parquet(
          'b.parquet',
          nulls.map((name) => (name === null ? null : Buffer.from(name))),
          'BYTE_ARRAY',
        ),
      { ...inParquet, inputs: 'b.parquet' },
    ],
    ['NPY', () => texts('n.npy', names), { format: 'npy', inputs: 'x5.npy', labels: 'n.npy' }],
  ];

  it.each(cases)('are numbered in the order of the names, which are told: %s', async (_, make, recipe) => {
    make();
    const found = await told(recipe);
    expect(found).toMatchObject({ labels: [2, 0, -1, 2, 1], classNames: ['ant', 'bee', 'cat'] });
    expect(found.notes).toEqual([expect.stringMatching(/^\/\w+\.\w+: 3 classes by name: ant, bee, cat$/)]);
  });

  it.each(cases)('have the numbers of the names that are given: %s', async (_, make, recipe) => {
    make();
    const classNames = ['cat', 'dog', 'bee', 'ant'];
    expect(await told(recipe, { classNames })).toMatchObject({ labels: [0, 3, -1, 0, 2], notes: [] });
    await expect(told(recipe, { classNames: ['cat', 'dog', 'ant'] })).rejects.toThrow(
      /"bee"; one of cat, dog, ant was wanted/,
    );
  });

  it('are joined by name where files have different ones', async () => {
    write('p1.csv', 'x,y\n1,cat\n2,bee\n');
    write('p2.csv', 'x,y\n3,ant\n4,\n5,cat\n');
    write('p3.csv', 'x,y\n3,1\n');
    expect(await told({ format: 'csv', inputs: ['p1.csv', 'p2.csv'], labels: 'y' })).toMatchObject({
      labels: [2, 1, 0, -1, 2],
      classNames: ['ant', 'bee', 'cat'],
    });
    await expect(told({ format: 'csv', inputs: ['p1.csv', 'p3.csv'], labels: 'y' })).rejects.toThrow(
      /p3\.csv: labels by number; by name was wanted, as in .*p1\.csv/,
    );
  });

  it('are numbers where they are digits, and no mixture of both', async () => {
    jsonl('digits.jsonl', ['3', '0', '1.0']);
    expect(await told({ ...inJsonl, inputs: 'digits.jsonl' })).toMatchObject({
      labels: [3, 0, 1],
      classNames: undefined,
    });
    write('typo.csv', 'x,y\n1,3\n2,1O\n');
    await expect(told({ format: 'csv', inputs: 'typo.csv', labels: 'y' })).rejects.toMatchObject({
      exitCode: 65,
      message: `${join(folder, 'typo.csv')}: line 3, column 2 holds "1O", but line 2, column 2 holds "3"; class numbers, or names throughout (data.classNames), were wanted`,
    });
    jsonl('mixed.jsonl', ['a', 1]);
    await expect(told({ ...inJsonl, inputs: 'mixed.jsonl' })).rejects.toThrow(
      /line 1, y holds "a", but others are numbers;/,
    );
  });
});

/** Columns that number the rows, which pandas writes beside a table unless it is told not to. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, describe, expect, it } from 'vitest';
import { writeShards } from '../../../../cli/prepare/shards.js';
import { openSource } from '../../../../cli/prepare/sources/chosen-source.js';
import { sourceSchema } from '../../../../shared/recipe/data-schema.js';
import { arrayFiles } from './array-files.js';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-index-'));
afterAll(() => rmSync(folder, { recursive: true }));
const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);

function parquet(name: string, columns: Readonly<Record<string, number[]>>, index: unknown): void {
  const columnData = Object.entries(columns).map(([column, data]) => ({ name: column, data, type: 'DOUBLE' as const }));
  const kvMetadata = index === null ? [] : [{ key: 'pandas', value: JSON.stringify({ index_columns: index }) }];
  writeFileSync(join(folder, name), new Uint8Array(parquetWriteBuffer({ columnData, kvMetadata })));
}

write('unnamed.csv', ',a,b,kind\n7,1,2,0\n9,3,4,1\n');
write('again.csv', 'Unnamed: 0,a,b,kind\n7,1,2,0\n9,3,4,1\n');
write('words.csv', '"",a,b,kind\n"row 7",1,2,0\n"row 9",3,4,1\n');
write('again.jsonl', '{"Unnamed: 0.1":7,"a":1,"b":2,"kind":0}\n{"Unnamed: 0.1":9,"a":3,"b":4,"kind":1}\n');
const table = { a: [1, 3], b: [2, 4], kind: [0, 1] };
parquet('level.parquet', { ...table, __index_level_0__: [7, 9] }, ['__index_level_0__']);
parquet('named.parquet', { number: [7, 9], ...table }, ['number']);
parquet('range.parquet', table, [{ kind: 'range', name: null, start: 0, stop: 2, step: 1 }]);
parquet('odd.parquet', table, 'none');

const read = async (recipe: object): Promise<{ rows: number[]; labels: number[]; notes: readonly string[] }> => {
  const source = await openSource(sourceSchema.parse(recipe), folder);
  const notes = source.notes?.filter(({ isOdd }) => isOdd).map(({ text }) => text.replace(folder, '')) ?? [];
  return { rows: [...(await source.read(0, source.samples))], labels: [...source.labels], notes };
};

describe('an index column', () => {
  it.each([
    ['csv', 'unnamed.csv', 'the first column, which has no name,'],
    ['csv', 'words.csv', 'the first column, which has no name,'],
    ['csv', 'again.csv', 'column Unnamed: 0'],
    ['jsonl', 'again.jsonl', 'column Unnamed: 0.1'],
    ['parquet', 'level.parquet', 'column __index_level_0__'],
    ['parquet', 'named.parquet', 'column number'],
  ])('is left out of the inputs of %s (%s), which is said', async (format, inputs, name) => {
    expect(await read({ format, inputs, labels: 'kind' })).toEqual({
      rows: [1, 2, 3, 4],
      labels: [0, 1],
      notes: [
        `/${inputs}: ${name} is taken for an index and left out of the inputs; another name makes it one of them`,
      ],
    });
  });

  it('is taken where the recipe names it', async () => {
    expect(await read({ format: 'parquet', inputs: 'level.parquet', column: '__index_level_0__' })).toMatchObject({
      rows: [7, 9],
      notes: [],
    });
    expect(await read({ format: 'csv', inputs: 'again.csv', labels: 'Unnamed: 0' })).toMatchObject({
      rows: [1, 2, 0, 3, 4, 1],
      labels: [7, 9],
      notes: [],
    });
  });

  it.each(['range.parquet', 'odd.parquet'])('is none of a file that has none: %s', async (inputs) => {
    expect(await read({ format: 'parquet', inputs, labels: 'kind' })).toMatchObject({ rows: [1, 2, 3, 4], notes: [] });
  });
});

describe('a column that counts the samples', () => {
  const told = async (recipe: object): Promise<string[]> => {
    const options = { shardSamples: 4 };
    const { notes } = await writeShards(sourceSchema.parse(recipe), folder, join(folder, 'out'), options);
    return notes.map(({ text }) => text.replace(folder, ''));
  };
  const rows = Array.from({ length: 11 }, (_, i) => [i + 1, i % 3, i === 10 ? 0 : i]);

  it('is warned of under any name, in any format', async () => {
    write('id.csv', ['id,a,b', ...rows.map((row) => row.join())].join('\n'));
    expect(await told({ format: 'csv', inputs: 'id.csv' })).toEqual([
      '/id.csv: column id counts them from 1, as an index does; no such input wanted',
    ]);
    arrayFiles(folder).npy('id.npy', [11, 3], rows.flat());
    expect(await told({ format: 'npy', inputs: 'id.npy' })).toEqual([
      '/id.npy: element 0 of the samples counts them from 1, as an index does; no such input wanted',
    ]);
  });

  it('may count by chance in few samples, or be all that there is', async () => {
    write('few.csv', ['id,a', ...rows.slice(0, 9).map(([id, a]) => `${id},${a}`)].join('\n'));
    write('one.csv', ['id', ...rows.map(([id]) => id)].join('\n'));
    expect([
      await told({ format: 'csv', inputs: 'few.csv' }),
      await told({ format: 'csv', inputs: 'one.csv' }),
    ]).toEqual([[], []]);
  });
});

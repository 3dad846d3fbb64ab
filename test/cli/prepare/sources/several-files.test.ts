/** Inputs in several files: lists of them, folders and patterns. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Float64, Int32, Schema, Table, tableToIPC, vectorFromArray } from 'apache-arrow';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, describe, expect, it } from 'vitest';
import { checkFiles } from '../../../../cli/prepare/missing-files.js';
import { openSource } from '../../../../cli/prepare/sources/chosen-source.js';
import { sourceSchema } from '../../../../shared/recipe/data-schema.js';
import { readRecipe } from '../../../../shared/recipe/read.js';
import { exampleOf, recordOf } from './records.js';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-several-'));
afterAll(() => rmSync(folder, { recursive: true }));
const write = (name: string, content: string | Uint8Array): void => {
  mkdirSync(join(folder, name, '..'), { recursive: true });
  writeFileSync(join(folder, name), content);
};
function parquet(name: string, a: number[], kind: number[]): void {
  const columns = { a, kind, t: a.map((value) => value / 2), w: a.map((value) => value + 1) };
  const columnData = Object.entries(columns).map(([column, data]) => ({ name: column, data, type: 'DOUBLE' as const }));
  write(name, new Uint8Array(parquetWriteBuffer({ columnData })));
}

parquet('parts/train-00000-of-00002.parquet', [1, 2], [0, 1]);
parquet('parts/train-00001-of-00002.PARQUET', [3], [1]);
parquet('parts/deeper/more.parquet', [4], [0]);
write('parts/.train.parquet.crc', 'x');
write('parts/README.md', 'x');
write('c/a.csv', 'a,kind\n1,0\n2,1\n');
write('c/b.csv', 'a,kind\n3,1\n');
write('c/[x].csv', 'a,kind\n4,0\n');
write('j/a.jsonl', '{"a":1,"kind":0}\n{"a":2,"kind":1}\n');
write('j/b.ndjson', '{"a":3,"kind":1}\n');
write('other.csv', 'b,kind\n3,1\n');
write('wide.csv', 'a,b,kind\n3,3,1\n');
write('empty/x.txt', '');

const read = async (recipe: object): Promise<{ file: string; labels: number[]; rows: number[] }> => {
  const source = await openSource(sourceSchema.parse({ labels: 'kind', ...recipe }), folder);
  const rows = [...(await source.read(0, source.samples))];
  for (let id = 0; id < source.samples; id++) expect([...(await source.read(id, id + 1))]).toEqual([rows[id]]);
  await source.close();
  return { file: source.file.replace(folder, ''), labels: [...source.labels], rows };
};

describe('inputs', () => {
  it.each([
    ['a folder, by name and in depth', { format: 'parquet', inputs: 'parts', column: 'a' }, [4, 1, 2, 3], [0, 0, 1, 1]],
    ['a pattern', { format: 'parquet', inputs: 'parts/train-*', column: 'a' }, [1, 2, 3], [0, 1, 1]],
    ['letters of a pattern', { format: 'csv', inputs: '?/[!b-z].csv' }, [1, 2], [0, 1]],
    ['a pattern over folders', { format: 'parquet', inputs: '**/more.parquet', column: 'a' }, [4], [0]],
    ['a list, in its order', { format: 'csv', inputs: ['c/b.csv', 'c/a.csv'] }, [3, 1, 2], [1, 0, 1]],
    ['a file whose name looks like a pattern', { format: 'csv', inputs: 'c/[x].csv' }, [4], [0]],
    ['a folder of JSON lines', { format: 'jsonl', inputs: 'j' }, [1, 2, 3], [0, 1, 1]],
  ])('may be %s', async (_, recipe, rows, labels) => {
    expect(await read(recipe)).toMatchObject({ rows, labels });
  });

  it('keep weights and targets with their samples, and choose among all of them', async () => {
    const parts = { format: 'parquet', inputs: 'parts', column: 'a' };
    const source = await openSource(sourceSchema.parse({ ...parts, weights: 'w', targets: 't' }), folder);
    expect([[...(source.weights ?? [])], [...(source.targets?.values ?? [])]]).toEqual([
      [5, 2, 3, 4],
      [2, 0.5, 1, 1.5],
    ]);
    expect(await read({ ...parts, limit: 2 })).toMatchObject({ rows: [4, 1], labels: [0, 0] });
  });

  it.each([
    ['no match', { format: 'csv', inputs: 'c/*.txt' }, 2, /c\/\*\.txt: no such file/],
    ['a folder without any', { format: 'csv', inputs: 'empty' }, 65, /empty: a folder without files; some that end in/],
    ['one named twice', { format: 'csv', inputs: ['c', 'c/a.csv'] }, 2, /c\/a\.csv: named twice among the inputs/],
    [
      'columns of another name',
      { format: 'csv', inputs: ['c/a.csv', 'other.csv'] },
      65,
      /other\.csv: columns b; a was wanted, as in .*a\.csv/,
    ],
    [
      'another shape',
      { format: 'csv', inputs: ['c/a.csv', 'wide.csv'] },
      65,
      /wide\.csv: samples of \[2\]; \[1\] was wanted, as in .*a\.csv/,
    ],
  ])('are refused with %s', async (_, recipe, exitCode, message) => {
    await expect(read(recipe)).rejects.toMatchObject({ exitCode, message: expect.stringMatching(message) });
  });

  it('are looked for before anything is read', async () => {
    const recipe = (inputs: string): string =>
      `student: { builtin: mlp, hidden: [3] }\nlosses: { crossEntropy: { weight: 1 } }\ndata:\n  train: { format: csv, inputs: ${inputs}, labels: kind }\noptimizer: { name: adam, learningRate: 0.1 }\nbatch: { size: 2 }\nepochs: 1\n`;
    const check = (inputs: string): Promise<void> => checkFiles(readRecipe(recipe(inputs), { file: 'r.yaml' }), folder);
    await check('[c, other.csv]');
    await check('"c/*.csv"');
    await expect(check('[c/a.csv, none.csv, "c/*.txt"]')).rejects.toThrow(
      /^r\.yaml:4: data\.train\.inputs: none\.csv given.*\nr\.yaml:4: data\.train\.inputs: c\/\*\.txt given/,
    );
  });
});

describe('files without samples among others', () => {
  const record = (a: number, kind: number): Buffer => recordOf(exampleOf({ a, kind }));
  const stream = (a: number[], kind: number[]): Uint8Array =>
    tableToIPC(new Table({ a: vectorFromArray(a, new Float64()), kind: vectorFromArray(kind, new Int32()) }), 'stream');
  const { fields } = new Table({ a: vectorFromArray([1], new Float64()), kind: vectorFromArray([1], new Int32()) })
    .schema;

  it.each<[string, string, Uint8Array | string, Uint8Array | string, object]>([
    ['tfrecord', 'part.tfrecord', '', Buffer.concat([record(1, 0), record(2, 1)]), { column: 'a' }],
    ['jsonl', 'part.jsonl', '', '{"a":1,"kind":0}\n{"a":2,"kind":1}\n', {}],
    ['csv', 'part.csv', 'a,kind\n', 'a,kind\n1,0\n2,1\n', {}],
    ['csv', 'none.csv', '', 'a,kind\n1,0\n2,1\n', {}],
    ['arrow', 'part.arrows', tableToIPC(new Table(new Schema(fields)), 'stream'), stream([1, 2], [0, 1]), {}],
  ])('are left out with a note: %s, %s', async (format, name, empty, full, recipe) => {
    const inputs = name.replace('.', '-');
    for (const place of [0, 2, 3]) write(`${inputs}/${place}-${name}`, empty);
    write(`${inputs}/1-${name}`, full);
    const found = await read({ format, inputs, ...recipe });
    expect(found).toEqual({ file: `/${inputs}/1-${name}`, labels: [0, 1], rows: [1, 2] });
    const source = await openSource(sourceSchema.parse({ labels: 'kind', format, inputs, ...recipe }), folder);
    expect(source.notes).toContainEqual({
      text: `${join(folder, inputs, `0-${name}`)}: left out, since it and 2 other files have no samples`,
      isOdd: false,
    });
    await source.close();
  });

  it('are left out where they are archives', async () => {
    const npy = (values: number[]): Buffer => {
      const head = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }".padEnd(117);
      return Buffer.concat([
        Buffer.from([0x93]),
        Buffer.from('NUMPY'),
        Buffer.from([1, 0, 118, 0]),
        Buffer.from(`${head}\n`),
        Buffer.from(values),
      ]);
    };
    write('tar/0.tar', new Uint8Array(1024));
    write('tar/1.tar', Buffer.concat([tarEntry('s.npy', npy([7, 8])), Buffer.alloc(1024)]));
    const source = await openSource(sourceSchema.parse({ format: 'webdataset', inputs: 'tar' }), folder);
    expect([[...(await source.read(0, 1))], source.samples]).toEqual([[7, 8], 1]);
    await source.close();
  });
});

/** A file of an archive: its head, and its bytes up to a whole block. */
function tarEntry(name: string, bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(512);
  head.write(name);
  head.write('0000644\0', 100);
  head.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124);
  head.write('        ', 148);
  head.write('0', 156);
  head.write('ustar\u000000', 257);
  const sum = head.reduce((total, byte) => total + byte, 0);
  head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([head, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

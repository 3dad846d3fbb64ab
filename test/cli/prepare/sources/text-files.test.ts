/** CSV and JSON lines as files come: packed, with a byte-order mark, with empty lines, and with mistakes in a line. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { openSource } from '../../../../cli/prepare/sources/chosen-source.js';
import { linesOf } from '../../../../cli/prepare/sources/text-file.js';
import { sourceSchema } from '../../../../shared/recipe/data-schema.js';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-text-'));
afterAll(() => rmSync(folder, { recursive: true }));

const csv = 'ä,kind\n1,0\n2,1\n';
const jsonl = '{"ä":1,"kind":0}\n{"ä":2,"kind":1}\n';
const swapped = (bytes: Buffer): Buffer => Buffer.from(bytes).swap16();

const forms: [string, (text: string) => Buffer][] = [
  ['plain', (text) => Buffer.from(text)],
  ['gzip', (text) => gzipSync(text)],
  ['gzip in two parts', (text) => Buffer.concat([gzipSync(text.slice(0, 9)), gzipSync(text.slice(9))])],
  ['UTF-8 with a byte-order mark', (text) => Buffer.from(`\ufeff${text}`)],
  ['UTF-16, the low byte first', (text) => Buffer.from(`\ufeff${text}`, 'utf16le')],
  ['UTF-16, the high byte first', (text) => swapped(Buffer.from(`\ufeff${text}`, 'utf16le'))],
  ['lines that end as on Windows', (text) => Buffer.from(text.replaceAll('\n', '\r\n'))],
];

async function read(
  format: 'csv' | 'jsonl',
  bytes: Uint8Array | string,
): Promise<{ labels: number[]; rows: number[] }> {
  writeFileSync(join(folder, 'set'), bytes);
  const source = await openSource(sourceSchema.parse({ format, inputs: 'set', labels: 'kind' }), folder);
  return { labels: [...source.labels], rows: [...(await source.read(0, source.samples))] };
}

describe.each(forms)('a text that is %s', (_, bytesOf) => {
  it.each([
    ['csv', csv],
    ['jsonl', jsonl],
  ] as const)('is read as %s', async (format, text) => {
    expect(await read(format, bytesOf(text))).toEqual({ labels: [0, 1], rows: [1, 2] });
  });
});

describe.each([
  ['csv', csv],
  ['jsonl', jsonl],
] as const)('a %s file', (format, text) => {
  it('that is packed and cut off is refused', async () => {
    await expect(read(format, gzipSync(text).subarray(0, 25))).rejects.toMatchObject({
      exitCode: 65,
      message: `${join(folder, 'set')}: damaged gzip file; a whole one was wanted`,
    });
  });
});

it('lines of more than one piece are whole', async () => {
  const long = ['x'.repeat(200_000), '', 'y'.repeat(70_000), 'end'];
  writeFileSync(join(folder, 'long'), long.join('\n'));
  const found: string[] = [];
  for await (const line of linesOf(join(folder, 'long'))) found.push(line);
  expect(found).toEqual(long);
});

describe('a mistake', () => {
  it.each([
    ['behind empty lines', 'a,kind\n\n\n1,0\n\nx,1\n', 'line 6, column 1 holds "x"; a number was wanted'],
    ['behind a cell of two lines', 'a,"ki\nnd"\n1,0\nx,1\n', 'line 4, column 1 holds "x"; a number was wanted'],
    ['in the number of cells', 'a,kind\n\n1,0\n\n1\n', 'line 5 has 1 cells; 2 were wanted'],
  ])('of CSV %s has the number of its line', async (_, text, message) => {
    writeFileSync(join(folder, 'wrong'), text);
    await expect(openSource(sourceSchema.parse({ format: 'csv', inputs: 'wrong' }), folder)).rejects.toThrow(message);
  });

  it.each([
    ['{"a":1}\n\n{"a":NaN}\n', 'line 3 holds NaN, which JSON does not have; finite numbers, or null, were wanted'],
    ['{"a":1}\n\n{"a":1\n', 'line 3 is no JSON; an object was wanted'],
  ])('of JSON lines has the number of its line: %s', async (text, message) => {
    writeFileSync(join(folder, 'wrong'), text);
    await expect(openSource(sourceSchema.parse({ format: 'jsonl', inputs: 'wrong' }), folder)).rejects.toThrow(message);
  });

  it('of JSON lines, a first line without labels, is told by its line', async () => {
    writeFileSync(join(folder, 'wrong'), '{"a":1,"b":2}\n{"a":1,"b":2,"kind":1}\n');
    const source = sourceSchema.parse({ format: 'jsonl', inputs: 'wrong', labels: 'kind' });
    await expect(openSource(source, folder)).rejects.toThrow(
      'line 1 has no column kind, but a, b; every line wants it (null where nothing is known), or the recipe another name',
    );
    writeFileSync(join(folder, 'wrong'), '{"a":1,"b":2,"kind":null}\n{"a":1,"b":2,"kind":1}\n');
    expect((await openSource(source, folder)).labels).toEqual(Int32Array.of(-1, 1));
  });
});

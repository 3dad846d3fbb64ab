/** JSON lines: a sample a line, an object of columns. Streamed; kept as float32 (4 bytes a number). */
import { createInterface } from 'node:readline';
import { damaged, fileError, streamDataFile } from './files.js';
import type { Source } from './rows.js';
import {
  besideRows,
  planTable,
  readBeside,
  readSample,
  type Row,
  type RowBeside,
  type TablePlan,
  type TableRecipe,
} from './table.js';

/** @throws UserError 2 for a missing file, 65 for a line that is no sample like the first */
export async function openJsonl(
  path: string,
  recipe: TableRecipe,
  classNames: readonly string[] | undefined,
): Promise<Source> {
  let plan: TablePlan | undefined;
  let data = new Float32Array(0);
  const beside: RowBeside[] = [];
  let line = 0;
  for await (const text of linesOf(path)) {
    line++;
    if (text.trim() === '') continue;
    const row = parseRow(path, text, line);
    plan ??= planTable(path, recipe, { names: Object.keys(row), first: row, classNames });
    const at = beside.length * plan.size;
    if (at + plan.size > data.length) data = grown(data, at + plan.size);
    readSample(plan, row, `line ${line}`, data, at);
    beside.push(readBeside(plan, row, `line ${line}`));
  }
  const { shape = [0], size = 0 } = plan ?? {};
  return {
    file: path,
    samples: beside.length,
    shape,
    dtype: 'float32',
    ...(plan === undefined ? { labels: new Int32Array(0) } : besideRows(plan, beside, (row) => `row ${row}`)),
    read: async (from, to) => data.subarray(from * size, to * size),
    close: async () => undefined,
  };
}

async function* linesOf(path: string): AsyncGenerator<string> {
  const stream = streamDataFile(path);
  const failed = new Promise<never>((_, reject) => stream.once('error', (error) => reject(fileError(path, error))));
  failed.catch(() => undefined);
  const lines = createInterface({ input: stream, crlfDelay: Infinity })[Symbol.asyncIterator]();
  for (;;) {
    const next = await Promise.race([lines.next(), failed]);
    if (next.done === true) return;
    yield next.value;
  }
}

function parseRow(path: string, text: string, line: number): Row {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw Object.assign(damaged(path, `line ${line} is no JSON; an object was wanted`), { cause: error });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Row;
  throw damaged(path, `line ${line} is no object; one with a value for each column was wanted`);
}

function grown(data: Float32Array<ArrayBuffer>, least: number): Float32Array<ArrayBuffer> {
  const larger = new Float32Array(Math.max(least, 2 * data.length));
  larger.set(data);
  return larger;
}

/** JSON lines: a sample a line, an object of columns. */
import { damaged } from './file-errors.js';
import { FloatRows } from './float-rows.js';
import { noAnnotations } from './annotations.js';
import { openEach } from './input-files.js';
import type { Source, SourceContext, SourceFormat } from './source.js';
import {
  annotationsOf,
  described,
  joinedNotes,
  planTable,
  readRowAnnotations,
  readSample,
  type Row,
  type RowAnnotations,
  type TablePlan,
  type TableRecipe,
} from './table.js';
import { linesOf } from './text-file.js';

const endings = ['.jsonl', '.ndjson', '.jsonl.gz', '.ndjson.gz'];

export const jsonl: SourceFormat<'jsonl'> = {
  files: ({ inputs }) => ({ inputs }),
  open: (recipe, context) =>
    openEach({ inputs: recipe.inputs, endings, path: context.path }, (file) => openJsonl(file, recipe, context)),
};

async function openJsonl(path: string, recipe: TableRecipe, context: SourceContext): Promise<Source> {
  let plan: TablePlan | undefined;
  let inputs: FloatRows | undefined;
  const rows: RowAnnotations[] = [];
  let line = 0;
  for await (const text of linesOf(path)) {
    line++;
    if (text.trim() === '') continue;
    const row = parseRow(path, text, line);
    plan ??= planTable(path, recipe, { names: Object.keys(row), first: row, context, where: `line ${line}` });
    const placed = { row, where: `line ${line}` };
    inputs ??= new FloatRows(context.spool, plan.size);
    readSample(plan, placed, inputs.add());
    rows.push(readRowAnnotations(plan, placed));
    if (context.spool.isFull) await context.spool.settle();
  }
  const { shape = [0] } = plan ?? {};
  return {
    file: path,
    samples: rows.length,
    shape,
    dtype: 'float32',
    ...(plan === undefined ? noAnnotations(0) : joinedNotes(described(plan), annotationsOf(plan, rows))),
    read: async (from, to) => inputs?.read(from, to) ?? new Float32Array(0),
    close: async () => undefined,
  };
}

function parseRow(path: string, text: string, line: number): Row {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const odd = /\b(?:NaN|Infinity)\b/.exec(text)?.[0];
    throw damaged(
      path,
      odd === undefined
        ? `line ${line} is no JSON; an object was wanted`
        : `line ${line} holds ${odd}, which JSON does not have; finite numbers, or null, were wanted`,
      error,
    );
  }
  if (isRow(value)) return value;
  throw damaged(path, `line ${line} is no object; one with a value for each column was wanted`);
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

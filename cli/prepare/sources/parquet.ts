/**
 * Parquet: a sample a row. Annotations are read at once, inputs by range of rows when they are asked for. A column of
 * bytes holds encoded images, as Hugging Face's `datasets` writes them, or, where the recipe gives a shape, numbers of
 * a byte each.
 */
import { counted } from '../../../shared/counted.js';
import { dirname, resolve } from 'node:path';
import { damaged } from './file-errors.js';
import { depthNotes, readImages } from './folder.js';
import { openDecoder, type EncodedImage } from './image-decoder.js';
import { openEach } from './input-files.js';
import { openTable, type ParquetTable } from './parquet-file.js';
import { classNamesIn } from './parquet-metadata.js';
import type { FormatRecipe, Rows, Source, SourceContext, SourceFormat } from './source.js';
import {
  annotationsOf,
  described,
  joinedNotes,
  planTable,
  readRowAnnotations,
  readSample,
  type TablePlan,
} from './table.js';

const endings = ['.parquet', '.pq'];

type ParquetRecipe = FormatRecipe<'parquet'>;

export const parquet: SourceFormat<'parquet'> = {
  files: ({ inputs }) => ({ inputs }),
  open: (recipe, context) =>
    openEach({ inputs: recipe.inputs, endings, path: context.path }, (file) => openParquet(file, recipe, context)),
};

async function openParquet(path: string, recipe: ParquetRecipe, context: SourceContext): Promise<Source> {
  const table = await openTable(path);
  const { names, index, samples, rowsOf, keyValues } = table;
  const [first = {}] = samples === 0 ? [] : await rowsOf(names, 0, 1);
  const plan = planTable(path, recipe, { names, first, context, index });
  const beside = plan.annotations.length === 0 ? [] : await rowsOf(plan.annotations, 0, samples);
  const annotations = Array.from({ length: samples }, (_, i) =>
    readRowAnnotations(plan, { row: beside[i] ?? {}, where: `row ${i}` }),
  );
  const told = joinedNotes(described(plan), annotationsOf(plan, annotations));
  const inputs = await openInputs(plan, recipe, table);
  const ownNames = context.classNames === undefined ? classNamesIn(keyValues, recipe.labels) : undefined;
  return {
    file: path,
    samples,
    ...joinedNotes(told, inputs),
    classNames: told.classNames ?? ownNames,
    close: async () => undefined,
  };
}

type Inputs = Pick<Source, 'shape' | 'dtype' | 'read' | 'parts' | 'notes'>;

async function openInputs(plan: TablePlan, recipe: ParquetRecipe, table: ParquetTable): Promise<Inputs> {
  const { path, inputs } = plan;
  const bytes = inputs.find((name) => table.binary.includes(name));
  if (bytes === undefined) return numbersOf(plan, table);
  const [column = bytes, ...others] = inputs;
  if (others.length > 0)
    throw damaged(
      path,
      `columns ${inputs.join(', ')} given, of which ${bytes} holds bytes; the column of the inputs wanted (column: ${bytes})`,
    );
  return recipe.shape === undefined ? imagesOf(plan, recipe, { table, column }) : bytesOf(plan, { table, column });
}

function numbersOf(plan: TablePlan, { rowsOf }: ParquetTable): Inputs {
  return {
    shape: plan.shape,
    dtype: 'float32',
    read: async (from, to) => {
      const out = new Float32Array((to - from) * plan.size);
      (await rowsOf(plan.inputs, from, to)).forEach((row, i) =>
        readSample(plan, { row, where: `row ${from + i}` }, out.subarray(i * plan.size, (i + 1) * plan.size)),
      );
      return out;
    },
  };
}

/** A column of bytes, and the file that it is of. */
interface BytesColumn {
  readonly table: ParquetTable;
  readonly column: string;
}

async function imagesOf({ path }: TablePlan, recipe: ParquetRecipe, { table, column }: BytesColumn): Promise<Inputs> {
  const read = async (from: number, to: number): Promise<EncodedImage[]> =>
    (await table.rowsOf([column], from, to)).map((row, i) =>
      imageIn(row[column], { path, name: `${path}: row ${from + i}, ${column}` }),
    );
  const decode = await openDecoder(recipe);
  const [first] = await read(0, Math.min(1, table.samples));
  const like = first === undefined ? null : await decode(first);
  return {
    shape: like?.shape ?? [0, 0, 0],
    dtype: like?.pixels instanceof Int32Array ? 'int32' : 'uint8',
    parts: undefined,
    notes: depthNotes(path, like),
    read: async (from, to): Promise<Rows> =>
      like === null ? new Uint8Array(0) : readImages(await read(from, to), like, decode),
  };
}

/** @throws UserError 65 for a cell with neither bytes nor the path of a file */
function imageIn(cell: unknown, { path, name }: { readonly path: string; readonly name: string }): EncodedImage {
  if (cell instanceof Uint8Array) return { name, from: cell };
  const image: { readonly bytes?: unknown; readonly path?: unknown } =
    typeof cell === 'object' && cell !== null ? cell : {};
  if (image.bytes instanceof Uint8Array) return { name, from: image.bytes };
  if (typeof image.path === 'string') return { name, from: resolve(dirname(path), image.path) };
  throw damaged(name, 'no bytes; an image was wanted');
}

function bytesOf({ path, shape, size }: TablePlan, { table, column }: BytesColumn): Inputs {
  return {
    shape,
    dtype: 'uint8',
    parts: undefined,
    read: async (from, to) => {
      const out = new Uint8Array((to - from) * size);
      (await table.rowsOf([column], from, to)).forEach((row, i) => {
        const cell = row[column];
        if (!(cell instanceof Uint8Array) || cell.length !== size)
          throw damaged(
            path,
            `row ${from + i}, ${column} holds ${cell instanceof Uint8Array ? counted(cell.length, 'byte') : 'no bytes'}; ${size} were wanted for shape [${shape.join(', ')}] (or no shape, for images to decode)`,
          );
        out.set(cell, i * size);
      });
      return out;
    },
  };
}

/**
 * What the formats of binary tables (Parquet, TFRecord, Arrow) share: rows of named cells that are read by range. A column of
 * bytes holds encoded images, as Hugging Face's `datasets` writes them, or, where the recipe gives a shape, numbers.
 */
import { dirname, resolve } from 'node:path';
import { counted } from '../../../shared/counted.js';
import { damaged } from './file-errors.js';
import { depthNotes, readImages } from './folder.js';
import { openDecoder, type EncodedImage } from './image-decoder.js';
import { shown } from './lists.js';
import { emptySource, rowsOfType, type FormatRecipe, type Rows, type Source, type SourceContext } from './source.js';
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
} from './table.js';

type BinaryRecipe = FormatRecipe<'parquet' | 'tfrecord' | 'arrow'>;

/** A file of rows. */
export interface RowTable {
  /** Names of the columns. */
  readonly names: readonly string[];
  /** The columns that the file itself calls the rows' index. */
  readonly index: readonly string[];
  /** The columns whose cells are bytes, or `{ bytes, path }` as Hugging Face's `datasets` writes images. */
  readonly binary: readonly string[];
  /** Number of rows. */
  readonly samples: number;
  /** All rows in ranges, none of which goes beyond what the file's reader reads at once. */
  readonly stretches: readonly { readonly from: number; readonly to: number }[];
  /** The rows [from, to), with those columns alone. @throws UserError 65 when they cannot be read */
  readonly rowsOf: (columns: readonly string[], from: number, to: number) => Promise<Row[]>;
}

/**
 * Opens a table as the recipe takes it: annotations are read at once, inputs when they are asked for.
 * @param path names the file in errors, and paths of images in it are relative to its folder
 * @throws UserError 65 where the table does not have what the recipe says
 */
export async function openRows(
  path: string,
  {
    recipe,
    context,
    table,
  }: { readonly recipe: BinaryRecipe; readonly context: SourceContext; readonly table: RowTable },
): Promise<Source> {
  const { names, index, samples, rowsOf } = table;
  if (samples === 0 && names.length === 0) return emptySource(path);
  const [first = {}] = samples === 0 ? [] : await rowsOf(names, 0, 1);
  const plan = planTable(path, recipe, { names, first, context, index });
  const annotations = await annotationsIn(plan, table);
  const told = joinedNotes(described(plan), annotationsOf(plan, annotations));
  const inputs = await openInputs(plan, recipe, { table, mayNameFiles: context.isFetched !== true });
  return { file: path, samples, ...joinedNotes(told, inputs), close: async () => undefined };
}

/** What the rows say of their samples. No more rows than a stretch has are in memory as the file has them. */
async function annotationsIn(plan: TablePlan, { samples, rowsOf, stretches }: RowTable): Promise<RowAnnotations[]> {
  const found: RowAnnotations[] = [];
  if (plan.annotations.length === 0)
    return Array.from({ length: samples }, (_, i) => readRowAnnotations(plan, { row: {}, where: `row ${i}` }));
  for (const { from, to } of stretches)
    for (const row of await rowsOf(plan.annotations, from, to))
      found.push(readRowAnnotations(plan, { row, where: `row ${found.length}` }));
  return found;
}

type Inputs = Pick<Source, 'shape' | 'dtype' | 'read' | 'readsOthers' | 'parts' | 'notes'>;

interface OpenedTable {
  readonly table: RowTable;
  /** Whether cells may name files of this machine. */
  readonly mayNameFiles: boolean;
}

async function openInputs(plan: TablePlan, recipe: BinaryRecipe, opened: OpenedTable): Promise<Inputs> {
  const { path, inputs } = plan;
  const { table } = opened;
  const bytes = inputs.find((name) => table.binary.includes(name));
  if (bytes === undefined) return numbersOf(plan, table);
  const [column = bytes, ...others] = inputs;
  if (others.length > 0)
    throw damaged(
      path,
      `columns ${inputs.join(', ')} given, of which ${bytes} holds bytes; the column of the inputs wanted (column: ${bytes})`,
    );
  return recipe.shape === undefined
    ? imagesOf(plan, recipe, { ...opened, column })
    : bytesOf(plan, recipe, { ...opened, column });
}

function numbersOf(plan: TablePlan, { rowsOf }: RowTable): Inputs {
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
interface BytesColumn extends OpenedTable {
  readonly column: string;
}

async function imagesOf({ path }: TablePlan, recipe: BinaryRecipe, bytesColumn: BytesColumn): Promise<Inputs> {
  const { table, column, mayNameFiles } = bytesColumn;
  let readsOthers = false;
  const read = async (from: number, to: number): Promise<EncodedImage[]> => {
    const rows = await table.rowsOf([column], from, to);
    const images = rows.map((row, i) =>
      imageIn(row[column], { path, name: `${path}: row ${from + i}, ${column}`, mayNameFiles }),
    );
    readsOthers ||= images.some((image) => typeof image.from === 'string');
    return images;
  };
  const decode = await openDecoder(recipe);
  const [first] = await read(0, Math.min(1, table.samples));
  const like = first === undefined ? null : await decode(first);
  return {
    shape: like?.shape ?? [0, 0, 0],
    dtype: like?.pixels instanceof Int32Array ? 'int32' : 'uint8',
    parts: undefined,
    notes: depthNotes(path, like),
    readsOthers: () => readsOthers,
    read: async (from, to): Promise<Rows> =>
      like === null ? new Uint8Array(0) : readImages(await read(from, to), like, decode),
  };
}

interface ImageCell extends Pick<OpenedTable, 'mayNameFiles'> {
  readonly path: string;
  readonly name: string;
}

/** @throws UserError 65 for a cell with neither bytes nor the path of a file, or with one where none may be named */
function imageIn(cell: unknown, { path, name, mayNameFiles }: ImageCell): EncodedImage {
  if (cell instanceof Uint8Array) return { name, from: cell };
  const image: { readonly bytes?: unknown; readonly path?: unknown } =
    typeof cell === 'object' && cell !== null ? cell : {};
  if (image.bytes instanceof Uint8Array) return { name, from: image.bytes };
  if (typeof image.path === 'string' && !mayNameFiles)
    throw damaged(
      name,
      `${shown(image.path)} without its bytes; bytes were wanted, since a file of another machine names no files of this one`,
    );
  if (typeof image.path === 'string') return { name, from: resolve(dirname(path), image.path) };
  throw damaged(name, 'no bytes; an image was wanted');
}

/** Numbers that lie in the cells as bytes: one byte each, or as the recipe's `dtype` says, the byte of least weight first. */
function bytesOf(
  { path, shape, size }: TablePlan,
  { dtype = 'uint8' }: BinaryRecipe,
  { table, column }: BytesColumn,
): Inputs {
  const cellBytes = size * (dtype === 'uint8' ? 1 : 4);
  return {
    shape,
    dtype,
    parts: undefined,
    read: async (from, to) => {
      const out = rowsOfType(dtype, (to - from) * size);
      const bytes = new Uint8Array(out.buffer);
      (await table.rowsOf([column], from, to)).forEach((row, i) => {
        const cell = row[column];
        if (!(cell instanceof Uint8Array) || cell.length !== cellBytes)
          throw damaged(
            path,
            `row ${from + i}, ${column} holds ${cell instanceof Uint8Array ? counted(cell.length, 'byte') : 'no bytes'}; ${cellBytes} were wanted for shape [${shape.join(', ')}]${dtype === 'uint8' ? '' : ` of ${dtype}`} (or no shape, for images to decode)`,
          );
        bytes.set(cell, i * cellBytes);
      });
      return out;
    },
  };
}

/**
 * Reads labels that were made elsewhere, one row a sample: an .npz archive with an array `logits` or `probabilities`
 * [N x K], or a Parquet file with a column of that name whose cells are lists. An .npz may also say at which
 * `temperature` its labels are softened already; then they are used as they are, and at that temperature alone.
 */
import { counted } from '../../shared/counted.js';
import { extname } from 'node:path';
import { codeOf, exitCodes, UserError } from '../../shared/errors.js';
import { damaged } from './sources/file-errors.js';
import { numbersOf, type ArrayData } from './sources/arrays.js';
import { openNpz } from './sources/npy-array.js';

const names = ['logits', 'probabilities'] as const;

export interface LabelFile {
  readonly samples: number;
  readonly classes: number;
  /** Which of the two the file holds. */
  readonly form: (typeof names)[number];
  /** [samples x classes]; logs where the file holds probabilities, which are logits as well. */
  readonly logits: Float32Array;
  /** The temperature at which the labels are softened already; null for logits as a model gives them. */
  readonly temperature: number | null;
}

/** The smallest normal float32. A smaller probability counts as this one, whose logarithm is -87.3. */
const smallestProbability = 2 ** -126;

/**
 * Reads a file of labels.
 * @throws UserError 2 for a missing file or an unknown format, 65 for one that holds something else
 */
export async function readLabelFile(path: string): Promise<LabelFile> {
  const ending = extname(path).toLowerCase();
  if (ending === '.npz') return readNpz(path);
  if (ending === '.parquet') return readParquet(path);
  throw new UserError(`${path}: labels of an unknown format; .npz or .parquet was wanted`);
}

async function readNpz(path: string): Promise<LabelFile> {
  const archive = await openNpz(path);
  try {
    const form = names.find((name) => archive.has(name));
    if (form === undefined)
      throw damaged(path, 'no array logits or probabilities; one of them, [samples x classes], was wanted');
    const array = await archive.read(form);
    const [samples = 0, classes = 0, ...more] = array.dims;
    if (more.length > 0 || classes === 0)
      throw damaged(path, `${form} of shape [${array.dims.join(', ')}]; [samples x classes] was wanted`);
    return {
      samples,
      classes,
      form,
      logits: toLogits(path, form, floatsOf(path, array.data), classes),
      temperature: archive.has('temperature')
        ? (numbersOf({ path, data: (await archive.read('temperature')).data })[0] ?? null)
        : null,
    };
  } finally {
    archive.close();
  }
}

function floatsOf(path: string, data: ArrayData): Float32Array {
  return data instanceof Float32Array ? data : Float32Array.from(numbersOf({ path, data }));
}

async function readParquet(path: string): Promise<LabelFile> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import('hyparquet');
  const { compressors } = await import('hyparquet-compressors');
  const rows: unknown[] = [];
  let name: (typeof names)[number] | undefined;
  try {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file);
    name = names.find((candidate) => metadata.schema.some((column) => column.name === candidate));
    if (name !== undefined)
      for (const row of await parquetReadObjects({ file, metadata, columns: [name], compressors }))
        rows.push(row[name]);
  } catch (error) {
    if (codeOf(error) === 'ENOENT')
      throw new UserError(`${path}: no such file; one that is there was wanted`, exitCodes.usage, error);
    throw Object.assign(damaged(path, 'no Parquet file that can be read; one was wanted'), { cause: error });
  }
  if (name === undefined)
    throw damaged(path, 'no column logits or probabilities; one of them, a list of numbers in each row, was wanted');
  const [first] = rows;
  const classes = isNumbers(first) ? first.length : 0;
  const logits = new Float32Array(rows.length * classes);
  rows.forEach((row, i) => {
    if (!isNumbers(row) || row.length !== classes || classes === 0)
      throw damaged(path, `row ${i} of ${name} is no list of ${counted(classes, 'number')}`);
    logits.set(row, i * classes);
  });
  return {
    samples: rows.length,
    classes,
    form: name,
    logits: toLogits(path, name, logits, classes),
    temperature: null,
  };
}

function isNumbers(value: unknown): value is ArrayLike<number> {
  if (ArrayBuffer.isView(value))
    return !(value instanceof DataView) && !(value instanceof BigInt64Array) && !(value instanceof BigUint64Array);
  return Array.isArray(value) && value.every((item) => typeof item === 'number');
}

function toLogits(path: string, name: string, values: Float32Array, classes: number): Float32Array {
  const bad = values.findIndex(
    (value) => !Number.isFinite(value) || (name === 'probabilities' && (value < 0 || value > 1.001)),
  );
  if (bad >= 0)
    throw damaged(
      path,
      `${name} of sample ${Math.floor(bad / classes)}, class ${bad % classes} is ${values[bad]}; ${name === 'logits' ? 'a finite number' : 'a number from 0 to 1'} was wanted`,
    );
  if (name === 'logits') return values;
  for (let at = 0; at < values.length; at += classes) {
    const sum = values.subarray(at, at + classes).reduce((a, b) => a + b, 0);
    if (Math.abs(sum - 1) > 1e-2)
      throw damaged(path, `probabilities of sample ${at / classes} sum to ${sum}; 1 was wanted`);
  }
  return values.map((p) => Math.log(Math.max(p, smallestProbability)));
}

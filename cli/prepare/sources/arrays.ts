/**
 * What the formats of files with one array each (NPY, IDX) share: an array of inputs, and arrays with labels, weights,
 * targets and masks beside it, a row for each sample. Inputs are read by range, the others lie in memory.
 */
import { counted } from '../../../shared/counted.js';
import { basename } from 'node:path';
import { elementsIn } from '../../../shared/shape.js';
import { noAnnotations, oneOfEach, toLabels, toSequences, toTargets, toWeights } from './annotations.js';
import { damaged } from './file-errors.js';
import { classNotes, LabelNames } from './label-names.js';
import type { Annotations, FormatRecipe, Rows, Source, SourceContext } from './source.js';
import type { Spool } from './spool.js';

type ArraysRecipe = FormatRecipe<'idx' | 'npy'>;

export interface NumberArray {
  readonly dims: readonly number[];
  readonly data: ArrayData;
}

/** Numbers, or texts where the file holds those. */
export type ArrayData =
  | Rows
  | Float64Array
  | BigInt64Array
  | BigUint64Array
  | Uint16Array
  | Int16Array
  | Int8Array
  | Uint32Array
  | readonly string[];

/** An array that lies on the disk. */
export interface StoredArray {
  readonly dims: readonly number[];
  /** What its numbers become as inputs; `text` for an array of texts. */
  readonly values: Source['dtype'] | 'text';
  /** The elements of the rows [from, to) of the first dimension. @throws UserError 65 where they cannot be read */
  readonly read: (from: number, to: number) => ArrayData;
}

/** @param member the array's name in an archive where the path has none */
export type OpenArray = (path: string, member: string, spool: Spool) => Promise<StoredArray>;

/** The files that a recipe names, by its keys. */
export function arrayFiles({
  images,
  inputs,
  labels,
  weights,
  targets,
  mask,
}: ArraysRecipe): Partial<Record<string, string>> {
  return { images, inputs, labels, weights, targets, mask };
}

/**
 * Opens inputs and what stands beside them. `images` of [height, width] get their one channel.
 * @throws UserError 2 for a missing file, 65 for one that is damaged or does not fit the inputs
 */
export async function openArrays(recipe: ArraysRecipe, context: SourceContext, open: OpenArray): Promise<Source> {
  const named = recipe.images ?? recipe.inputs;
  if (named === undefined) throw new Error(`a source of format ${recipe.format} without images and without inputs`);
  const { path, spool } = context;
  const file = path(named);
  const inputs = await open(file, 'x', spool);
  const { values } = inputs;
  if (values === 'text') throw damaged(file, 'texts; numbers were wanted');
  const [samples = 0, ...dims] = inputs.dims;
  const getsChannel = recipe.images !== undefined && recipe.layout !== 'nchw' && dims.length === 2;
  const shape = getsChannel ? [...dims, 1] : dims;
  const size = elementsIn(shape);
  const sampleShape = shape.length === 0 ? [1] : shape;
  const annotations = await readAnnotations(recipe, { file, samples, ...context }, async (name, member) => {
    if (name === undefined) return null;
    const { dims: own, read } = await open(path(name), member, spool);
    return { path: path(name), dims: own, data: read(0, own[0] ?? 1) };
  });
  return {
    file,
    samples,
    shape: sampleShape,
    parts: [{ name: arrayName(named), shape: sampleShape }],
    dtype: values,
    ...annotations,
    read: async (from, to) => toRows(file, inputs.read(from, to), from * size),
    close: async () => undefined,
  };
}

/** What an array is called: its name in an archive, else the file's, without its ending. */
function arrayName(spec: string): string {
  const archived = /\.npz(?:#(.*))?$/i.exec(spec);
  return archived === null ? basename(spec).replace(/\.[^.]*$/, '') : (archived[1] ?? 'x');
}

/**
 * Floats become float32, whole numbers of any width int32.
 * @param first the number of the first element in the array
 * @throws UserError 65 for a number that does not fit
 */
export function toRows(path: string, data: ArrayData, first: number): Rows {
  if (isTexts(data)) throw damaged(path, 'texts; numbers were wanted');
  if (data instanceof Uint8Array || data instanceof Int32Array || data instanceof Float32Array) return data;
  if (data instanceof Float64Array) return Float32Array.from(data);
  const whole = Int32Array.from(data as ArrayLike<number | bigint>, Number);
  const bad = whole.findIndex((value, i) => value !== Number(data[i]));
  if (bad >= 0)
    throw damaged(
      path,
      `element ${first + bad} is ${data[bad]}; a whole number from ${-(2 ** 31)} to ${2 ** 31 - 1}, or a float, was wanted`,
    );
  return whole;
}

/** An array beside the inputs. */
interface Beside extends NumberArray {
  /** The file that errors name. */
  readonly path: string;
}

function isTexts(data: ArrayData): data is readonly string[] {
  return Array.isArray(data);
}

/** The numbers of an array. @throws UserError 65 for texts */
export function numbersOf({ path, data }: Pick<Beside, 'path' | 'data'>): ArrayLike<number> {
  if (isTexts(data)) throw damaged(path, 'texts; numbers were wanted');
  return data instanceof BigInt64Array || data instanceof BigUint64Array ? Float64Array.from(data, Number) : data;
}

interface Inputs extends Pick<Source, 'file' | 'samples'>, Pick<SourceContext, 'classNames' | 'task'> {}

async function readAnnotations(
  recipe: ArraysRecipe,
  inputs: Inputs,
  read: (name: string | undefined, member: string) => Promise<Beside | null>,
): Promise<Annotations & Pick<Source, 'classNames' | 'classes' | 'notes'>> {
  const [labels, mask, given, targets] = [
    await read(recipe.labels, 'y'),
    await read(recipe.mask, 'm'),
    await read(recipe.weights, 'w'),
    await read(recipe.targets, 't'),
  ];
  const { samples } = inputs;
  const weights = given === null ? undefined : toWeights(given.path, numbersOf(given), samples);
  if (targets !== null) {
    const width = widthOf(targets, samples);
    return { ...toTargets(targets.path, numbersOf(targets), { width, samples }), weights };
  }
  const first = labels ?? mask;
  if (first === null) return { ...noAnnotations(samples), weights };
  const { paddingLabel } = recipe;
  const named = labels === null ? null : namedLabels(labels, inputs);
  const isSequence = paddingLabel !== undefined || inputs.task === 'sequence';
  const maySequence = mask !== null || (isSequence && first.dims.length > 1);
  const one = maySequence || named === null ? null : oneOfEach(named.labels, elementsIn(first.dims.slice(1)));
  if (one === null) {
    const positions = positionsIn([labels, mask], inputs);
    const values = {
      labels: named?.labels ?? null,
      mask: mask === null ? null : numbersOf(mask),
      paddingLabel,
      positions,
      samples,
      weights,
    };
    return { ...toSequences(first.path, values), classNames: named?.classNames, notes: named?.notes };
  }
  const found = toLabels(first.path, one.labels);
  if (found.length !== samples)
    throw damaged(
      first.path,
      `${counted(found.length, 'label')}; ${samples} were wanted, one for each sample of ${inputs.file}`,
    );
  return { labels: found, weights, classes: one.classes, classNames: named?.classNames, notes: named?.notes };
}

/** Labels by number, with the names that they were given by and what the user is told of those. */
function namedLabels(
  { path, data }: Beside,
  { classNames }: Inputs,
): { readonly labels: ArrayLike<number> } & Pick<Source, 'classNames' | 'notes'> {
  if (!isTexts(data)) return { labels: numbersOf({ path, data }) };
  const names = new LabelNames(path, classNames);
  const found = names.resolve(data.map((text, i) => names.read(text, `label ${i}`)));
  return { ...found, notes: classNotes(path, found.classNames) };
}

/** Numbers in a target of [samples] or [samples x ...]. */
function widthOf({ path, dims }: Beside, samples: number): number {
  const [rows = 0, ...shape] = dims;
  if (rows !== samples) throw damaged(path, `${counted(rows, 'target')}; ${samples} were wanted, one for each sample`);
  return elementsIn(shape);
}

/** Positions of a sequence. @throws UserError 65 where the arrays that are there are not [samples x positions] alike */
function positionsIn([labels, mask]: readonly [labels: Beside | null, mask: Beside | null], inputs: Inputs): number {
  const { samples, file } = inputs;
  const positions = (labels ?? mask)?.dims[1] ?? 0;
  const check = (array: Beside | null, what: string): void => {
    if (array !== null && (array.dims.length !== 2 || array.dims[0] !== samples || array.dims[1] !== positions))
      throw damaged(
        array.path,
        `${what} of [${array.dims.join(', ')}]; [${samples}, ${positions}] was wanted, a number for each position of each sample of ${file}`,
      );
  };
  check(labels, 'labels');
  check(mask, 'a mask');
  return positions;
}

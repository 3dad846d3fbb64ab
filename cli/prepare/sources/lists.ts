/**
 * The lists of a table's cells: their numbers and sizes, and lists of different lengths, which are brought to one by what
 * the recipe says of their column, or refused. Pure.
 */
import { counted } from '../../../shared/counted.js';
import type { UserError } from '../../../shared/errors.js';
import { mustAt } from '../../../shared/must.js';
import { elementsIn } from '../../../shared/shape.js';
import { damaged } from './file-errors.js';

/** What the recipe says of a column's lists: how long they are made, and what stands behind their own end. */
export interface Pad {
  readonly length: number;
  readonly value: number;
}

/** A column of the inputs, as every row must have it. */
export interface Column {
  readonly name: string;
  /** Shape of the column's part of a sample, padding included. */
  readonly shape: readonly number[];
  /** Undefined: all of its lists must have one length. */
  readonly pad: Pad | undefined;
  /** Whether the recipe says its shape, and not the first row. */
  readonly isSaid: boolean;
}

/** A cell, and how errors name it. */
export interface Cell {
  readonly path: string;
  /** The row: `line 3`. */
  readonly where: string;
  readonly value: unknown;
}

/** @param first the value of the first row, which tells the shape */
export function columnOf(name: string, first: unknown, pad: Pad | undefined): Column {
  const own = dimensions(first);
  const shape = pad === undefined ? (isList(first) ? own : [1]) : [pad.length, ...own.slice(1)];
  return { name, pad, shape, isSaid: false };
}

/**
 * Writes a cell's numbers, and behind them the column's padding.
 * @param out [elements of the column's shape]
 * @throws UserError 65 for a cell without numbers, or with another number of them than the column has
 */
export function readCell(column: Column, cell: Cell, out: Float32Array): void {
  const { name, pad, shape } = column;
  const { path, where, value } = cell;
  const numbers = numbersIn(value);
  if (numbers === null)
    throw damaged(path, `${where}, ${name} holds ${shown(value)}; a number, or a list of them, was wanted`);
  if (pad !== undefined) expectRoom(column, cell);
  const [, ...inner] = shape;
  const own = pad === undefined ? out.length : stepsIn(value) * elementsIn(inner);
  if (numbers.length !== own) throw pad === undefined ? ragged(column, cell, numbers.length) : uneven(column, cell);
  out.set(numbers);
  if (pad !== undefined) out.fill(pad.value, own);
}

/** Places of a cell's list; 1 of a number. */
export function stepsIn(value: unknown): number {
  return isList(value) ? value.length : 1;
}

/** @throws UserError 65 for a list that is longer than all are made */
export function expectRoom({ name, pad }: Pick<Column, 'name' | 'pad'>, { path, where, value }: Cell): void {
  const steps = stepsIn(value);
  if (pad !== undefined && steps > pad.length)
    throw damaged(
      path,
      `${where}, ${name} is a list of ${steps}; ${pad.length} at most was wanted (pad.${name}.length), or lists that are cut before`,
    );
}

function ragged({ name, shape, isSaid }: Column, { path, where }: Cell, found: number): UserError {
  const wanted = elementsIn(shape);
  if (isSaid)
    return damaged(
      path,
      `${where} has ${counted(found, 'number')}; ${wanted} were wanted for shape [${shape.join(', ')}]`,
    );
  return damaged(
    path,
    `${where}, ${name} has length ${found}, and ${wanted} in the first row; the same length was wanted, or pad: { ${name}: { length: N, value: 0 } } in the recipe, N that of the longest`,
  );
}

function uneven({ name, shape }: Column, { path, where, value }: Cell): UserError {
  return damaged(
    path,
    `${where}, ${name} holds ${shown(value)}; a list of [${mustAt(shape, 0, 'size')}${shape.length > 1 ? ` at most, ${shape.slice(1).join(', ')}` : ' at most'}] was wanted`,
  );
}

/** All numbers of a cell, lists in lists one after the other; null where something is none. */
export function numbersIn(value: unknown): number[] | null {
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return [Number(value)];
  if (!isList(value)) return null;
  const numbers: number[] = [];
  for (const item of Array.from(value)) {
    const found = numbersIn(item);
    if (found === null) return null;
    for (const number of found) numbers.push(number);
  }
  return numbers;
}

/** The sizes of a list, and of the first list in it. */
export function dimensions(value: unknown): number[] {
  return isList(value) ? [value.length, ...dimensions(value[0])] : [];
}

export function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

/** A value as errors show it, cut to 40 characters. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? Number(item) : item));
  return text.length > 40 ? `${text.slice(0, 37)}...` : text;
}

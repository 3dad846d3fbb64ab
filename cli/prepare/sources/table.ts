/** Rows with named columns, of JSONL and Parquet files: which columns make a sample, and its label. Pure. */
import { jsonOf } from '../../../shared/json.js';
import type { SourceRecipe } from '../../../shared/recipe/schema.js';
import { damaged, toLabels, toSequences, toTargets, toWeights, type TargetRows } from './files.js';
import type { Source } from './rows.js';

export type TableRecipe = Extract<SourceRecipe, { format: 'jsonl' | 'parquet' }>;
export type Row = Readonly<Record<string, unknown>>;

export interface TablePlan {
  readonly path: string;
  /** Columns of the inputs, in their order. */
  readonly inputs: readonly string[];
  readonly labels: string | undefined;
  readonly weights: string | undefined;
  /** Column of the masks. */
  readonly mask: string | undefined;
  readonly paddingLabel: number | undefined;
  /** Columns of a target, in their order. */
  readonly targets: readonly string[] | undefined;
  /** By class number, for labels that are names. */
  readonly classNames: readonly string[] | undefined;
  readonly shape: readonly number[];
  /** Elements of a sample. */
  readonly size: number;
}

/** @param first row of the file: its lists give the shape where the recipe does not @throws UserError 65 */
export function planTable(
  path: string,
  recipe: TableRecipe,
  {
    names,
    first,
    classNames,
  }: { readonly names: readonly string[]; readonly first: Row; readonly classNames: readonly string[] | undefined },
): TablePlan {
  const targets = recipe.targets === undefined ? undefined : [recipe.targets].flat();
  const beside = [recipe.labels, recipe.weights, recipe.mask, ...(targets ?? [])];
  for (const name of [recipe.column, ...beside]) {
    if (name !== undefined && !names.includes(name))
      throw damaged(path, `no column ${name}; one of ${names.join(', ')} was wanted`);
  }
  const inputs = recipe.column === undefined ? names.filter((name) => !beside.includes(name)) : [recipe.column];
  const elements = inputs.reduce((sum, name) => sum + (numbersIn(first[name])?.length ?? 0), 0);
  const shape = recipe.shape ?? (recipe.column === undefined ? [elements] : dimensions(first[recipe.column]));
  return {
    path,
    inputs,
    labels: recipe.labels,
    weights: recipe.weights,
    mask: recipe.mask,
    paddingLabel: recipe.paddingLabel,
    targets,
    classNames,
    shape,
    size: shape.reduce((product, dim) => product * dim, 1),
  };
}

/** Writes a row's sample to `out` from `at` on. @param where names the row @throws UserError 65 */
export function readSample(plan: TablePlan, row: Row, where: string, out: Float32Array, at: number): void {
  let next = at;
  for (const name of plan.inputs) {
    const numbers = numbersIn(row[name]);
    if (numbers === null)
      throw damaged(plan.path, `${where}, ${name} holds ${shown(row[name])}; a number, or a list of them, was wanted`);
    if (next + numbers.length <= at + plan.size) out.set(numbers, next);
    next += numbers.length;
  }
  if (next - at !== plan.size)
    throw damaged(
      plan.path,
      `${where} has ${next - at} numbers; ${plan.size} were wanted for shape [${plan.shape.join(', ')}]`,
    );
}

/** What stands beside a row's inputs. */
export interface RowBeside {
  /** A class number, or one for each position; -1 for none. */
  readonly label: number | readonly number[];
  /** For each position; null where the recipe names no column. */
  readonly mask: readonly number[] | null;
  readonly weight: number;
  /** Null where all of the columns hold null, or the recipe names none. */
  readonly target: Float64Array | null;
}

/** @throws UserError 65 */
export function readBeside(plan: TablePlan, row: Row, where: string): RowBeside {
  const label = plan.labels === undefined ? null : row[plan.labels];
  const mask = plan.mask === undefined ? null : numbersIn(row[plan.mask]);
  if (plan.mask !== undefined && mask === null)
    throw damaged(plan.path, `${where}, ${plan.mask} holds ${shown(row[plan.mask])}; a list of 0 and 1 was wanted`);
  return {
    label: isList(label) ? Array.from(label, (one) => classOf(plan, one, where)) : classOf(plan, label, where),
    mask,
    weight: readWeight(plan, row, where),
    target: plan.targets === undefined ? null : readTarget(plan, row, where),
  };
}

/** All rows' together. @throws UserError 65 where they are not alike */
export function besideRows(
  plan: TablePlan,
  rows: readonly RowBeside[],
  where: (row: number) => string,
): Pick<Source, 'labels' | 'weights' | 'targets' | 'positions'> {
  const weights =
    plan.weights === undefined
      ? undefined
      : toWeights(
          plan.path,
          rows.map(({ weight }) => weight),
          rows.length,
        );
  if (plan.targets !== undefined)
    return {
      ...targetRows(
        plan,
        rows.map(({ target }) => target),
        where,
      ),
      weights,
    };
  const first = rows.find(({ label, mask }) => mask !== null || typeof label !== 'number');
  if (first === undefined)
    return {
      labels: toLabels(
        plan.path,
        rows.map(({ label }) => (typeof label === 'number' ? label : -1)),
      ),
      weights,
    };
  const positions = first.mask?.length ?? (typeof first.label === 'number' ? 0 : first.label.length);
  const flat = (of: (row: RowBeside) => readonly number[] | null, name: string | undefined): number[] =>
    rows.flatMap((row, i) => {
      const values = of(row) ?? new Array<number>(positions).fill(-1);
      if (values.length !== positions)
        throw damaged(
          plan.path,
          `${where(i)}, ${name} has ${values.length} positions; ${positions} were wanted, as before`,
        );
      return values;
    });
  const labels = flat(({ label }) => (typeof label === 'number' ? null : label), plan.labels);
  const mask = plan.mask === undefined ? null : flat((row) => row.mask, plan.mask);
  return toSequences(plan.path, {
    labels,
    mask,
    paddingLabel: plan.paddingLabel,
    positions,
    samples: rows.length,
    weights,
  });
}

/** A class number; -1 for none. */
function classOf({ path, labels, classNames }: TablePlan, value: unknown, where: string): number {
  if (value === null || value === undefined) return -1;
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
  const index = typeof value === 'string' ? (classNames?.indexOf(value) ?? -1) : -1;
  if (index >= 0) return index;
  throw damaged(
    path,
    `${where}, ${labels} holds ${shown(value)}; ${classNames === undefined ? 'a class number (or a name of data.classNames)' : `one of ${classNames.join(', ')}`} was wanted`,
  );
}

/** A row's weight; 1 where the recipe names no column. @throws UserError 65 */
function readWeight({ path, weights }: TablePlan, row: Row, where: string): number {
  const value = weights === undefined ? 1 : row[weights];
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
  throw damaged(path, `${where}, ${weights} holds ${shown(value)}; a weight was wanted`);
}

/** A row's target; null where all of its columns hold null. @throws UserError 65 */
function readTarget({ path, targets = [] }: TablePlan, row: Row, where: string): Float64Array | null {
  if (targets.every((name) => row[name] === null || row[name] === undefined)) return null;
  return Float64Array.from(
    targets.flatMap((name) => {
      const numbers = numbersIn(row[name]);
      if (numbers === null)
        throw damaged(path, `${where}, ${name} holds ${shown(row[name])}; a number, or a list of them, was wanted`);
      return numbers;
    }),
  );
}

/** What the rows' targets are together. @throws UserError 65 where they are not alike */
function targetRows(
  { path }: TablePlan,
  rows: readonly (Float64Array | null)[],
  where: (row: number) => string,
): TargetRows {
  const width = rows.find((row) => row !== null)?.length ?? 1;
  const values = new Float64Array(rows.length * width).fill(NaN);
  rows.forEach((row, i) => {
    if (row === null) return;
    if (row.length !== width)
      throw damaged(path, `${where(i)} has a target of ${row.length} numbers; ${width} were wanted, as before`);
    values.set(row, i * width);
  });
  return toTargets(path, values, width, rows.length);
}

/** All numbers of a cell, lists in lists one after the other; null where something is none. */
function numbersIn(value: unknown): number[] | null {
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

function dimensions(value: unknown): number[] {
  return isList(value) ? [value.length, ...dimensions(value[0])] : [];
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

function shown(value: unknown): string {
  const text = jsonOf(value, (_, item) => (typeof item === 'bigint' ? Number(item) : item)) ?? 'nothing';
  return text.length > 40 ? `${text.slice(0, 37)}...` : text;
}

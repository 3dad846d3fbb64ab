/**
 * What the formats of rows with named columns (JSONL, Parquet) share: which columns make a sample, and which hold what
 * is known of it. Pure.
 */
import type { UserError } from '../../../shared/errors.js';
import { elementsIn } from '../../../shared/shape.js';
import { oneOfEach, toLabels, toSequences, toTargets, toWeights } from './annotations.js';
import { damaged } from './file-errors.js';
import { indexNotes, isIndexColumn } from './index-columns.js';
import { classNotes, LabelNames } from './label-names.js';
import type { Annotations, FormatRecipe, Note, Part, Source, SourceContext } from './source.js';

export type TableRecipe = FormatRecipe<'jsonl' | 'parquet'>;
export type Row = Readonly<Record<string, unknown>>;

/** Which columns of a file the recipe takes for what. */
export interface TablePlan {
  readonly path: string;
  /** Columns of the inputs, in their order. */
  readonly inputs: readonly string[];
  /** The same with what they hold, as in the first row. */
  readonly parts: readonly Part[];
  readonly labels: string | undefined;
  readonly weights: string | undefined;
  readonly mask: string | undefined;
  /** Columns of a target, in their order. */
  readonly targets: readonly string[] | undefined;
  /** All columns but those of the inputs. */
  readonly annotations: readonly string[];
  readonly paddingLabel: number | undefined;
  readonly names: LabelNames;
  /** Whether a sample has a label for each position, whatever its labels look like. */
  readonly isSequence: boolean;
  readonly shape: readonly number[];
  /** Elements of a sample. */
  readonly size: number;
  readonly notes: readonly Note[];
}

/** What is known of a file before its rows are read. */
export interface TableHead {
  /** Names of the columns. */
  readonly names: readonly string[];
  /** Its lists give the shape where the recipe does not. */
  readonly first: Row;
  readonly context: Pick<SourceContext, 'classNames' | 'task'>;
  /** Where the names are from, in a file whose lines have their own. */
  readonly where?: string | undefined;
  /** Columns that the file itself calls an index. */
  readonly index?: readonly string[];
}

/** @throws UserError 65 for a column that the file does not have */
export function planTable(
  path: string,
  recipe: TableRecipe,
  { names, first, context, where, index = [] }: TableHead,
): TablePlan {
  const { labels, weights, mask, paddingLabel } = recipe;
  const chosen = recipe.column === undefined ? undefined : [recipe.column].flat();
  const targets = recipe.targets === undefined ? undefined : [recipe.targets].flat();
  const annotations = [labels, weights, mask, ...(targets ?? [])].filter((name) => name !== undefined);
  for (const name of [...(chosen ?? []), ...annotations]) {
    if (!names.includes(name)) throw noColumn(path, name, { names, where });
  }
  const others = names.filter((name) => !annotations.includes(name));
  const left =
    chosen === undefined
      ? others.filter((name) => index.includes(name) || isIndexColumn(name, names.indexOf(name)))
      : [];
  const inputs = chosen ?? others.filter((name) => !left.includes(name));
  const elements = inputs.reduce((sum, name) => sum + (numbersIn(first[name])?.length ?? 0), 0);
  const [only] = chosen?.length === 1 ? chosen : [];
  const shape = recipe.shape ?? (only === undefined ? [elements] : dimensions(first[only]));
  const size = elementsIn(shape);
  return {
    path,
    inputs,
    parts:
      inputs.length === 1
        ? inputs.map((name) => ({ name, shape: shape.length === 0 ? [1] : shape }))
        : inputs.map((name) => ({ name, shape: isList(first[name]) ? dimensions(first[name]) : [1] })),
    labels,
    weights,
    mask,
    targets,
    annotations,
    paddingLabel,
    names: new LabelNames(path, context.classNames),
    isSequence: context.task === 'sequence',
    shape,
    size,
    notes: indexNotes(path, left),
  };
}

function noColumn(path: string, name: string, { names, where }: Pick<TableHead, 'names' | 'where'>): UserError {
  if (where === undefined) return damaged(path, `no column ${name}; one of ${names.join(', ')} was wanted`);
  return damaged(
    path,
    `${where} has no column ${name}, but ${names.join(', ') || 'none'}; every line wants it (null where nothing is known), or the recipe another name`,
  );
}

/** What a source of the plan's columns says beside its samples. */
export function described({ parts, notes }: TablePlan): Pick<Source, 'parts' | 'notes'> {
  return { parts, notes };
}

/** Both, with the notes of both. */
export function joinedNotes<A extends Pick<Source, 'notes'>, B extends Pick<Source, 'notes'>>(a: A, b: B): A & B {
  return { ...a, ...b, notes: [...(a.notes ?? []), ...(b.notes ?? [])] };
}

/** A row, and how errors name it. */
export interface PlacedRow {
  readonly row: Row;
  readonly where: string;
}

/**
 * Writes a row's sample to `out`.
 * @param out [size of a sample]
 * @throws UserError 65 for a cell without numbers, or another number of them
 */
export function readSample(plan: TablePlan, { row, where }: PlacedRow, out: Float32Array): void {
  let next = 0;
  for (const name of plan.inputs) {
    const numbers = numbersIn(row[name]);
    if (numbers === null)
      throw damaged(plan.path, `${where}, ${name} holds ${shown(row[name])}; a number, or a list of them, was wanted`);
    if (next + numbers.length <= plan.size) out.set(numbers, next);
    next += numbers.length;
  }
  if (next !== plan.size)
    throw damaged(
      plan.path,
      `${where} has ${next} numbers; ${plan.size} were wanted for shape [${plan.shape.join(', ')}]`,
    );
}

/** What one row says of its sample. */
export interface RowAnnotations {
  /** A class number, or one for each position; -1 for none. */
  readonly label: number | readonly number[];
  /** A number for each position; null where the recipe names no column. */
  readonly mask: readonly number[] | null;
  /** 1 where the recipe names no column. */
  readonly weight: number;
  /** Null where all of the columns hold null, or the recipe names none. */
  readonly target: readonly number[] | null;
}

/** @throws UserError 65 for a cell that holds something else than the recipe takes it for */
export function readRowAnnotations(plan: TablePlan, placed: PlacedRow): RowAnnotations {
  const { row, where } = placed;
  const label = plan.labels === undefined ? null : row[plan.labels];
  const mask = plan.mask === undefined ? null : numbersIn(row[plan.mask]);
  if (plan.mask !== undefined && mask === null)
    throw damaged(plan.path, `${where}, ${plan.mask} holds ${shown(row[plan.mask])}; a list of 0 and 1 was wanted`);
  const read = (one: unknown): number => plan.names.read(one, `${where}, ${plan.labels}`);
  return {
    label: isLabels(label) ? Array.from(label, (one) => read(one)) : read(label),
    mask,
    weight: readWeight(plan, placed),
    target: plan.targets === undefined ? null : readTarget(plan, plan.targets, placed),
  };
}

/** What a table's rows say together of their samples. */
export type TableAnnotations = Annotations & Pick<Source, 'classNames' | 'classes' | 'notes'>;

/** The annotations of all rows together. @throws UserError 65 where the rows are not alike */
export function annotationsOf(plan: TablePlan, rows: readonly RowAnnotations[]): TableAnnotations {
  const { path } = plan;
  const samples = rows.length;
  const given = plan.weights === undefined ? undefined : rows.map(({ weight }) => weight);
  const weights = given === undefined ? undefined : toWeights(path, given, samples);
  if (plan.targets !== undefined) {
    const { values, width } = flatTargets(path, rows);
    return { ...toTargets(path, values, { width, samples }), weights };
  }
  const first = rows.find(({ label, mask }) => mask !== null || typeof label !== 'number');
  if (first === undefined) {
    const { labels, ...named } = numbered(
      plan,
      rows.map(({ label }) => (typeof label === 'number' ? label : -1)),
    );
    return { labels: toLabels(path, labels), ...named, weights };
  }
  const positions = first.mask?.length ?? (typeof first.label === 'number' ? 0 : first.label.length);
  const labelled = rows.map(({ label }) => (typeof label === 'number' ? null : label));
  const { labels, ...named } = numbered(plan, flatPositions(labelled, { path, name: plan.labels, positions }));
  const masks = rows.map(({ mask }) => mask);
  const mask = plan.mask === undefined ? null : flatPositions(masks, { path, name: plan.mask, positions });
  const { paddingLabel } = plan;
  const one = plan.isSequence || mask !== null || paddingLabel !== undefined ? null : oneOfEach(labels, positions);
  if (one !== null) return { labels: toLabels(path, one.labels), ...named, classes: one.classes, weights };
  return { ...toSequences(path, { labels, mask, paddingLabel, positions, samples, weights }), ...named };
}

/** Labels by number, with the names that they were given by and what the user is told of those. */
function numbered(
  { path, names }: TablePlan,
  labels: readonly number[],
): { readonly labels: readonly number[] } & Pick<Source, 'classNames' | 'notes'> {
  const found = names.resolve(labels);
  return { ...found, notes: classNotes(path, found.classNames) };
}

interface PositionsColumn {
  readonly path: string;
  readonly name: string | undefined;
  readonly positions: number;
}

/** [rows x positions]; -1 for each position of a row that is null. */
function flatPositions(
  rows: readonly (readonly number[] | null)[],
  { path, name, positions }: PositionsColumn,
): number[] {
  return rows.flatMap((row, i) => {
    if (row === null) return new Array<number>(positions).fill(-1);
    if (row.length !== positions)
      throw damaged(path, `row ${i}, ${name} has ${row.length} positions; ${positions} were wanted, as before`);
    return row;
  });
}

/** [rows x width]; NaN for a row without a target. */
function flatTargets(path: string, rows: readonly RowAnnotations[]): { values: Float64Array; width: number } {
  const width = rows.find(({ target }) => target !== null)?.target?.length ?? 1;
  const values = new Float64Array(rows.length * width).fill(NaN);
  rows.forEach(({ target }, i) => {
    if (target === null) return;
    if (target.length !== width)
      throw damaged(path, `row ${i} has a target of ${target.length} numbers; ${width} were wanted, as before`);
    values.set(target, i * width);
  });
  return { values, width };
}

function readWeight({ path, weights }: TablePlan, { row, where }: PlacedRow): number {
  const value = weights === undefined ? 1 : row[weights];
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
  throw damaged(path, `${where}, ${weights} holds ${shown(value)}; a weight was wanted`);
}

function readTarget({ path }: TablePlan, targets: readonly string[], { row, where }: PlacedRow): number[] | null {
  if (targets.every((name) => row[name] === null || row[name] === undefined)) return null;
  return targets.flatMap((name) => {
    const numbers = numbersIn(row[name]);
    if (numbers === null)
      throw damaged(path, `${where}, ${name} holds ${shown(row[name])}; a number, or a list of them, was wanted`);
    return numbers;
  });
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

/** Labels of positions; bytes are a text. */
function isLabels(value: unknown): value is ArrayLike<unknown> {
  return isList(value) && !(value instanceof Uint8Array);
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

/** A value as errors show it, cut to 40 characters. */
function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? Number(item) : item));
  return text.length > 40 ? `${text.slice(0, 37)}...` : text;
}

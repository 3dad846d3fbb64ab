/**
 * What the formats of rows with named columns (JSONL, Parquet, TFRecord, Arrow) share: which columns make a sample, and which hold what
 * is known of it. Pure.
 */
import { counted } from '../../../shared/counted.js';
import type { UserError } from '../../../shared/errors.js';
import { elementsIn } from '../../../shared/shape.js';
import { oneOfEach, toLabels, toSequences, toTargets, toWeights } from './annotations.js';
import { damaged } from './file-errors.js';
import { indexNotes, isIndexColumn } from './index-columns.js';
import { classNotes, LabelNames } from './label-names.js';
import { RouteCells } from './route-cells.js';
import { columnOf, expectRoom, isList, numbersIn, readCell, shown, stepsIn, type Column } from './lists.js';
import type { Annotations, FormatRecipe, Note, Part, Source, SourceContext } from './source.js';

export type TableRecipe = FormatRecipe<'jsonl' | 'parquet' | 'tfrecord' | 'arrow'>;
export type Row = Readonly<Record<string, unknown>>;

/** Which columns of a file the recipe takes for what. */
export interface TablePlan {
  readonly path: string;
  /** Columns of the inputs, in their order. */
  readonly inputs: readonly string[];
  /** The same with what they hold, as in the first row. */
  readonly columns: readonly Column[];
  readonly labels: string | undefined;
  readonly weights: string | undefined;
  readonly mask: string | undefined;
  /** Columns of a target, in their order. */
  readonly targets: readonly string[] | undefined;
  /** The column that says who labels a sample. */
  readonly route: string | undefined;
  /** All columns that tell something of a sample. */
  readonly annotations: readonly string[];
  /** The column of the inputs whose lists are as long as their sequences; undefined where all have one length. */
  readonly ruler: Column | undefined;
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
  readonly context: Pick<SourceContext, 'classNames' | 'task' | 'routeColumn'>;
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
  const route = context.routeColumn === undefined ? undefined : String(context.routeColumn);
  const annotations = [labels, weights, mask, ...(targets ?? []), route].filter((name) => name !== undefined);
  for (const name of [...(chosen ?? []), ...annotations]) {
    if (!names.includes(name)) throw noColumn(path, name, { names, where });
  }
  const others = names.filter((name) => !annotations.includes(name));
  const left =
    chosen === undefined
      ? others.filter((name) => index.includes(name) || isIndexColumn(name, names.indexOf(name)))
      : [];
  const inputs = chosen ?? others.filter((name) => !left.includes(name));
  const columns = columnsOf(path, recipe, { inputs, first });
  const [only] = chosen?.length === 1 ? columns : [];
  const shape = recipe.shape ?? only?.shape ?? [columns.reduce((sum, column) => sum + elementsIn(column.shape), 0)];
  const ruler = context.task === 'sequence' ? columns.find(({ pad }) => pad !== undefined) : undefined;
  return {
    path,
    inputs,
    columns,
    labels,
    weights,
    mask,
    targets,
    route,
    annotations: [...annotations, ...(ruler === undefined ? [] : [ruler.name])],
    ruler,
    paddingLabel,
    names: new LabelNames(path, context.classNames),
    isSequence: context.task === 'sequence',
    shape,
    size: elementsIn(shape),
    notes: indexNotes(path, left),
  };
}

/** @throws UserError 65 for padding of a column that is none of the inputs */
function columnsOf(
  path: string,
  { pad = {}, shape }: TableRecipe,
  { inputs, first }: { readonly inputs: readonly string[]; readonly first: Row },
): Column[] {
  const stray = Object.keys(pad).find((name) => !inputs.includes(name));
  if (stray !== undefined)
    throw damaged(path, `pad.${stray}: no column of the inputs; one of ${inputs.join(', ')} was wanted`);
  const columns = inputs.map((name) => columnOf(name, first[name], pad[name]));
  const [only] = columns;
  const isSaid = shape !== undefined && only !== undefined && columns.length === 1 && only.pad === undefined;
  return isSaid ? [{ ...only, shape, isSaid }] : columns;
}

function noColumn(path: string, name: string, { names, where }: Pick<TableHead, 'names' | 'where'>): UserError {
  if (where === undefined) return damaged(path, `no column ${name}; one of ${names.join(', ')} was wanted`);
  return damaged(
    path,
    `${where} has no column ${name}, but ${names.join(', ') || 'none'}; every line wants it (null where nothing is known), or the recipe another name`,
  );
}

/** What a source of the plan's columns says beside its samples. */
export function described({ columns, shape: whole, notes }: TablePlan): Pick<Source, 'parts' | 'notes'> {
  const parts = columns.map(({ name, shape, pad }): Part => {
    const own = columns.length === 1 ? whole : shape;
    return {
      name,
      shape: own.length === 0 ? [1] : own,
      ...(pad === undefined ? {} : { padding: pad.value }),
    };
  });
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
  const { path } = plan;
  let next = 0;
  for (const column of plan.columns) {
    const size = elementsIn(column.shape);
    const own = next + size <= plan.size ? out.subarray(next, next + size) : new Float32Array(size);
    readCell(column, { path, where, value: row[column.name] }, own);
    next += size;
  }
  if (next !== plan.size)
    throw damaged(
      path,
      `${where} has ${counted(next, 'number')}; ${plan.size} were wanted for shape [${plan.shape.join(', ')}]`,
    );
}

/** What one row says of its sample. */
export interface RowAnnotations {
  /** A class number, or one for each position; -1 for none. */
  readonly label: number | readonly number[];
  /** A number for each position; null where all count. */
  readonly mask: readonly number[] | null;
  /** 1 where the recipe names no column. */
  readonly weight: number;
  /** Null where all of the columns hold null, or the recipe names none. */
  readonly target: readonly number[] | null;
  /** What the column that says who labels the sample holds; absent where there is none. */
  readonly route?: unknown;
}

/** @throws UserError 65 for a cell that holds something else than the recipe takes it for */
export function readRowAnnotations(plan: TablePlan, placed: PlacedRow): RowAnnotations {
  const { row, where } = placed;
  const label = plan.labels === undefined ? null : row[plan.labels];
  const mask = plan.mask === undefined ? null : numbersIn(row[plan.mask]);
  if (plan.mask !== undefined && mask === null)
    throw damaged(plan.path, `${where}, ${plan.mask} holds ${shown(row[plan.mask])}; a list of 0 and 1 was wanted`);
  const read = (one: unknown): number => plan.names.read(one, `${where}, ${plan.labels}`);
  const labels = isLabels(label) ? Array.from(label, (one) => read(one)) : read(label);
  return {
    ...paddedPositions(plan, placed, { label: labels, mask }),
    weight: readWeight(plan, placed),
    target: plan.targets === undefined ? null : readTarget(plan, plan.targets, placed),
    ...(plan.route === undefined ? {} : { route: row[plan.route] }),
  };
}

/**
 * Labels and mask of a sequence whose inputs are padded, as long as those: positions of the padding do not count.
 * @throws UserError 65 where they are not as long as the row's inputs
 */
function paddedPositions(
  { path, ruler, labels, mask }: TablePlan,
  { row, where }: PlacedRow,
  given: Pick<RowAnnotations, 'label' | 'mask'>,
): Pick<RowAnnotations, 'label' | 'mask'> {
  if (ruler?.pad === undefined) return given;
  const value = row[ruler.name];
  expectRoom(ruler, { path, where, value });
  const own = stepsIn(value);
  const longer = (list: readonly number[], name: string | undefined, fill: number): number[] => {
    if (list.length !== own)
      throw damaged(path, `${where}, ${name} is a list of ${list.length}; ${own} was wanted, as of ${ruler.name}`);
    return [...list, ...new Array<number>(length - own).fill(fill)];
  };
  const { length } = ruler.pad;
  return {
    label: given.label === -1 ? -1 : longer([given.label].flat(), labels, -1),
    mask: longer(given.mask ?? new Array<number>(own).fill(1), mask, 0),
  };
}

/** What a table's rows say together of their samples. */
export type TableAnnotations = Annotations & Pick<Source, 'classNames' | 'classes' | 'notes'>;

/** The annotations of all rows together. @throws UserError 65 where the rows are not alike */
export function annotationsOf(plan: TablePlan, rows: readonly RowAnnotations[]): TableAnnotations {
  const { path, route } = plan;
  if (route === undefined) return toldOf(plan, rows);
  const routes = new RouteCells(path);
  rows.forEach((row, i) => routes.add(row.route, `row ${i}, ${route}`));
  return { ...toldOf(plan, rows), routes: routes.routes() };
}

/** The same but for who labels them. */
function toldOf(plan: TablePlan, rows: readonly RowAnnotations[]): TableAnnotations {
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
  const positions = first.mask?.length ?? [first.label].flat().length;
  // A number among lists is a list of one, and -1 is none.
  const labelled = rows.map(({ label }) => (typeof label !== 'number' ? label : label === -1 ? null : [label]));
  const { labels, ...named } = numbered(plan, flatPositions(labelled, { path, name: plan.labels, positions }));
  const masks = rows.map(({ mask }) => mask);
  const mask = first.mask === null ? null : flatPositions(masks, { path, name: plan.mask, positions });
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
      throw damaged(
        path,
        `row ${i}, ${name} is a list of ${row.length}; one of ${positions} was wanted, as before (pad, of a column of the inputs, takes sequences of different lengths)`,
      );
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
      throw damaged(
        path,
        `row ${i} has a target of ${counted(target.length, 'number')}; ${width} were wanted, as before`,
      );
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

/** Labels of positions; bytes are a text. */
function isLabels(value: unknown): value is ArrayLike<unknown> {
  return isList(value) && !(value instanceof Uint8Array);
}

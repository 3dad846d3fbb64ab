/** CSV and TSV: a sample a line, whose cells are inputs but for those of the columns that the recipe names. */
import { counted } from '../../../shared/counted.js';
import { Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { UserError } from '../../../shared/errors.js';
import { elementsIn } from '../../../shared/shape.js';
import { toLabels, toTargets, toWeights } from './annotations.js';
import { damaged, fileError } from './file-errors.js';
import { FloatRows } from './float-rows.js';
import { indexNotes, isIndexColumn } from './index-columns.js';
import { openEach } from './input-files.js';
import { classNotes, LabelNames } from './label-names.js';
import { RouteCells } from './route-cells.js';
import {
  emptySource,
  type FormatRecipe,
  type Note,
  type Source,
  type SourceContext,
  type SourceFormat,
} from './source.js';
import type { Spool } from './spool.js';
import { textOf } from './text-file.js';
import { longestLine } from './unpacking.js';

const endings = ['.csv', '.tsv', '.csv.gz', '.tsv.gz'];

type CsvRecipe = FormatRecipe<'csv'>;

export const csv: SourceFormat<'csv'> = {
  files: ({ inputs }) => ({ inputs }),
  open: (recipe, context) =>
    openEach({ inputs: recipe.inputs, endings, path: context.path }, (file) => openCsv(file, recipe, context)),
};

async function openCsv(path: string, recipe: CsvRecipe, context: SourceContext): Promise<Source> {
  const { classNames, routeColumn, spool } = context;
  let table: CsvTable | undefined;
  for await (const { record: cells, info } of linesOf(path, recipe.delimiter)) {
    const line = info.lines;
    if (table !== undefined) table.add(cells, line);
    else if (recipe.header)
      table = new CsvTable(path, recipe, { head: cells, columns: cells.length, classNames, routeColumn, spool });
    else {
      table = new CsvTable(path, recipe, { columns: cells.length, classNames, routeColumn, spool });
      table.add(cells, line);
    }
    if (spool.isFull) await spool.settle();
  }
  return table?.source() ?? emptySource(path);
}

/** The cells of a line, and the number of the line in the file, from 1: the last one where cells hold several. */
interface Line {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

/** Empty lines are passed over. */
async function* linesOf(path: string, delimiter: string): AsyncGenerator<Line> {
  const text = Readable.from(textOf(path));
  const parser = parse({
    delimiter,
    relax_column_count: true,
    skip_empty_lines: true,
    info: true,
    max_record_size: longestLine,
  });
  text.on('error', (error) => void parser.destroy(error));
  try {
    yield* text.pipe(parser) as AsyncIterable<Line>;
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw error instanceof CsvError ? damaged(path, problemOf(error), error) : fileError(path, error);
  } finally {
    text.destroy();
  }
}

/** What the parser's errors mean; quotes are all that it is strict about. */
function problemOf({ code, lines }: CsvError): string {
  const where = typeof lines === 'number' ? `line ${lines}: ` : '';
  if (code === 'CSV_QUOTE_NOT_CLOSED') return `${where}a quote that is never closed; a closed one was wanted`;
  return `${where}no CSV: a quote within a cell; cells with quotes around them, and "" for a quote in one, were wanted`;
}

interface Columns {
  /** Names by column; absent: the file has none. */
  readonly head?: readonly string[];
  readonly columns: number;
  /** By class number, for labels that are names. */
  readonly classNames: readonly string[] | undefined;
  readonly routeColumn: string | number | undefined;
  readonly spool: Spool;
}

/** The lines that were read so far, cell by cell where they belong. */
class CsvTable {
  readonly #labelColumn: number | undefined;
  readonly #weightColumn: number | undefined;
  /** The columns of a target, in the recipe's order. */
  readonly #targetColumns: readonly number[];
  /** The column that says who labels a sample. */
  readonly #routeColumn: number | undefined;
  /** Columns that number the lines. */
  readonly #indexColumns: ReadonlySet<number>;
  readonly #shape: readonly number[];
  readonly #size: number;
  readonly #inputs: FloatRows;
  readonly #names: LabelNames;
  readonly #labels: number[] = [];
  readonly #weights: number[] = [];
  readonly #routes: RouteCells;
  /** [samples x target columns]; NaN for an empty cell. */
  readonly #targets: number[] = [];

  constructor(
    private readonly path: string,
    private readonly recipe: CsvRecipe,
    private readonly file: Columns,
  ) {
    this.#names = new LabelNames(path, file.classNames);
    this.#routes = new RouteCells(path);
    this.#labelColumn = this.#find(recipe.labels);
    this.#weightColumn = this.#find(recipe.weights);
    this.#routeColumn = this.#find(file.routeColumn);
    this.#targetColumns = [recipe.targets ?? []].flat().map((column) => this.#columnOf(column));
    const named = new Set([this.#labelColumn, this.#weightColumn, this.#routeColumn, ...this.#targetColumns]);
    named.delete(undefined);
    const index = (file.head ?? []).flatMap((name, column) =>
      isIndexColumn(name, column) && !named.has(column) ? [column] : [],
    );
    this.#indexColumns = new Set(index);
    const width = file.columns - named.size - index.length;
    this.#shape = recipe.shape ?? [width];
    this.#size = elementsIn(this.#shape);
    this.#inputs = new FloatRows(file.spool, this.#size);
    if (this.#size !== width)
      throw damaged(
        path,
        `${counted(width, 'column')} of inputs; ${this.#size} were wanted for shape [${this.#shape.join(', ')}]`,
      );
  }

  add(cells: readonly string[], line: number): void {
    const { columns } = this.file;
    if (cells.length !== columns)
      throw damaged(this.path, `line ${line} has ${cells.length} cells; ${columns} were wanted`);
    const row = this.#labels.length;
    const inputs = this.#inputs.add();
    this.#labels.push(-1);
    this.#weights.push(1);
    for (let i = 0; i < this.#targetColumns.length; i++) this.#targets.push(NaN);
    let next = 0;
    cells.forEach((cell, column) => {
      if (column === this.#routeColumn) this.#routes.add(cell, place(line, column));
      const target = this.#targetColumns.indexOf(column);
      if (column === this.#labelColumn) this.#labels[row] = this.#names.read(cell, place(line, column));
      else if (target >= 0) this.#targets[row * this.#targetColumns.length + target] = this.#target(cell, line, column);
      else if (column === this.#weightColumn) this.#weights[row] = this.#number(cell, line, column);
      else if (column !== this.#routeColumn && !this.#indexColumns.has(column))
        inputs[next++] = this.#number(cell, line, column);
    });
  }

  source(): Source {
    const { path } = this;
    const samples = this.#labels.length;
    const { labels, classNames } = this.#names.resolve(this.#labels);
    const inputs = this.#inputs;
    return {
      file: path,
      samples,
      shape: this.#shape,
      dtype: 'float32',
      parts: this.#inputNames().map((name) => ({ name, shape: [1] })),
      notes: [
        ...indexNotes(
          path,
          [...this.#indexColumns].map((column) => this.file.head?.[column] ?? ''),
        ),
        ...headNotes(path, this.file.head ?? []),
        ...classNotes(path, classNames),
      ],
      classNames,
      ...(this.recipe.targets === undefined
        ? { labels: toLabels(path, labels) }
        : toTargets(path, this.#targets, { width: this.#targetColumns.length, samples })),
      weights: this.#weightColumn === undefined ? undefined : toWeights(path, this.#weights, samples),
      routes: this.#routeColumn === undefined ? undefined : this.#routes.routes(),
      read: async (from, to) => inputs.read(from, to),
      close: async () => undefined,
    };
  }

  /** Names of the columns of inputs, or their numbers from 1. */
  #inputNames(): string[] {
    const { head, columns } = this.file;
    const beside = [
      this.#labelColumn,
      this.#weightColumn,
      this.#routeColumn,
      ...this.#targetColumns,
      ...this.#indexColumns,
    ];
    const all = Array.from({ length: columns }, (_, column) => column);
    return all.filter((column) => !beside.includes(column)).map((column) => head?.[column] ?? String(column + 1));
  }

  #find(column: string | number | undefined): number | undefined {
    return column === undefined ? undefined : this.#columnOf(column);
  }

  #columnOf(column: string | number): number {
    const { head, columns } = this.file;
    const index = typeof column === 'number' ? column : (head?.indexOf(column) ?? -1);
    if (index < 0 || index >= columns) throw damaged(this.path, `no column ${column}; ${this.#columnsWanted(column)}`);
    return index;
  }

  #columnsWanted(column: string | number): string {
    const { head, columns } = this.file;
    const wish = head === undefined ? `a number below ${columns} was wanted` : `one of ${head.join(', ')} was wanted`;
    const [only = ''] = columns === 1 ? (head ?? []) : [];
    const other = [';', '\t', '|', ','].find((sign) => only.includes(sign));
    if (other !== undefined) return `${wish}, or delimiter: ${JSON.stringify(other)}, which would part them`;
    const isNamed = typeof column === 'string';
    return isNamed && head === undefined ? `${wish}, or header: true for a first line of names` : wish;
  }

  #number(cell: string, line: number, column: number): number {
    const text = cell.trim();
    const value = Number(text);
    if (text !== '' && !Number.isNaN(value)) return value;
    if (/^true$/i.test(text)) return 1;
    if (/^false$/i.test(text)) return 0;
    throw damaged(this.path, `${place(line, column)} holds "${cell}"; a number was wanted`);
  }

  /** NaN for an empty cell, or one that says so. */
  #target(cell: string, line: number, column: number): number {
    const text = cell.trim();
    return text === '' || text.toLowerCase() === 'nan' ? NaN : this.#number(cell, line, column);
  }
}

/** What the user should know of names that look like a sample's numbers, and do not count the columns as pandas' do. */
function headNotes(path: string, head: readonly string[]): Note[] {
  const numbers = head.map((name) => (name.trim() === '' ? NaN : Number(name)));
  const isCount = numbers.every((number, i) => number === (numbers[0] ?? 0) + i);
  if (numbers.length === 0 || isCount || !numbers.every(Number.isFinite)) return [];
  const text = `${path}: its first line holds numbers alone and was taken for the names of the columns; header: false takes it for a sample`;
  return [{ text, isOdd: true }];
}

/** A cell, as errors name it. */
function place(line: number, column: number): string {
  return `line ${line}, column ${column + 1}`;
}

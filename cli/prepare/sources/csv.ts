/** CSV and TSV: a sample a line, one column may be the label. Streamed; kept as float32 (4 bytes a cell). */
import { parse } from 'csv-parse';
import type { SourceRecipe } from '../../../shared/recipe/schema.js';
import { damaged, fileError, streamDataFile, toLabels, toTargets, toWeights } from './files.js';
import type { Source } from './rows.js';

type CsvRecipe = Extract<SourceRecipe, { format: 'csv' }>;

/** @throws UserError 2 for a missing file, 65 for a cell that is no number or a line of another length */
export async function openCsv(path: string, recipe: CsvRecipe): Promise<Source> {
  const lines = await readLines(path, recipe.delimiter);
  const head = recipe.header ? lines.shift() : undefined;
  const columns = head?.length ?? lines[0]?.length ?? 0;
  const labelColumn = columnOf(path, recipe.labels, head, columns);
  const weightColumn = columnOf(path, recipe.weights, head, columns);
  const targetColumns = [recipe.targets ?? []].flat().map((column) => columnOf(path, column, head, columns) ?? 0);
  const width =
    columns - new Set([labelColumn, weightColumn, ...targetColumns].filter((column) => column !== undefined)).size;
  const shape = recipe.shape ?? [width];
  const size = shape.reduce((product, dim) => product * dim, 1);
  if (size !== width)
    throw damaged(path, `${width} columns of inputs; ${size} were wanted for shape [${shape.join(', ')}]`);
  const data = new Float32Array(lines.length * width);
  const labels = new Array<number>(lines.length).fill(-1);
  const weights = weightColumn === undefined ? undefined : new Array<number>(lines.length).fill(1);
  const targets = new Float64Array(lines.length * targetColumns.length).fill(NaN);
  lines.forEach((cells, row) => {
    const line = row + (recipe.header ? 2 : 1);
    if (cells.length !== columns) throw damaged(path, `line ${line} has ${cells.length} cells; ${columns} were wanted`);
    let at = row * width;
    cells.forEach((cell, column) => {
      if (column === labelColumn) labels[row] = cell.trim() === '' ? -1 : numberOf(path, cell, line, column);
      else if (targetColumns.includes(column))
        targets[row * targetColumns.length + targetColumns.indexOf(column)] = targetOf(path, cell, line, column);
      else if (column === weightColumn && weights !== undefined) weights[row] = numberOf(path, cell, line, column);
      else data[at++] = numberOf(path, cell, line, column);
    });
  });
  return {
    file: path,
    samples: lines.length,
    shape,
    dtype: 'float32',
    ...(recipe.targets === undefined
      ? { labels: toLabels(path, labels) }
      : toTargets(path, targets, targetColumns.length, lines.length)),
    weights: weights === undefined ? undefined : toWeights(path, weights, lines.length),
    read: async (from, to) => data.subarray(from * width, to * width),
    close: async () => undefined,
  };
}

async function readLines(path: string, delimiter: string): Promise<string[][]> {
  const lines: string[][] = [];
  const stream = streamDataFile(path);
  const parser = parse({ delimiter, bom: true, relax_column_count: true, skip_empty_lines: true });
  stream.on('error', (error: Error) => parser.destroy(error));
  try {
    for await (const line of stream.pipe(parser)) lines.push(line as string[]);
  } catch (error) {
    throw fileError(path, error);
  }
  return lines;
}

function columnOf(
  path: string,
  labels: string | number | undefined,
  head: readonly string[] | undefined,
  columns: number,
): number | undefined {
  if (labels === undefined) return undefined;
  const index = typeof labels === 'number' ? labels : (head?.indexOf(labels) ?? -1);
  if (index < 0 || index >= columns)
    throw damaged(
      path,
      `no column ${labels}; ${head === undefined ? `a number below ${columns}` : `one of ${head.join(', ')}`} was wanted`,
    );
  return index;
}

function numberOf(path: string, cell: string, line: number, column: number): number {
  const value = Number(cell);
  if (cell.trim() === '' || Number.isNaN(value))
    throw damaged(path, `line ${line}, column ${column + 1} holds "${cell}"; a number was wanted`);
  return value;
}

/** NaN for an empty cell, or one that says so. */
function targetOf(path: string, cell: string, line: number, column: number): number {
  const text = cell.trim();
  return text === '' || text.toLowerCase() === 'nan' ? NaN : numberOf(path, cell, line, column);
}

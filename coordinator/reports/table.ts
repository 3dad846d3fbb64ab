/** The table at the end of a run, as plain text: who reached what with how many parameters. */

import { figureTexts, type Figures } from '../../shared/figures/figures.js';

export interface TableRow {
  readonly name: string;
  /** Undefined for what is a part of another row's. */
  readonly parameters: number | undefined;
  /** None where there is no evaluation set. */
  readonly figures: Figures;
}

export function resultTable(rows: readonly TableRow[]): string {
  const figures = columnsOf(rows);
  const cells = [
    ['model', 'parameters', ...figures],
    ...rows.map((row) => [
      row.name,
      row.parameters?.toLocaleString('en-US') ?? '-',
      ...figures.map((name) => new Map(figureTexts(row.figures)).get(name) ?? '-'),
    ]),
  ];
  const widths = cells[0]?.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0))) ?? [];
  const line = (row: readonly string[]): string =>
    `  ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ')}`;
  const [head = [], ...body] = cells;
  return [line(head), `  ${widths.map((width) => '-'.repeat(width)).join('  ')}`, ...body.map(line)].join('\n');
}

/** The figures that all who have some have in common, the main one first; accuracy where nobody has any. */
function columnsOf(rows: readonly TableRow[]): string[] {
  const named = rows
    .map(({ figures }) => figureTexts(figures).map(([name]) => name))
    .filter((names) => names.length > 0);
  const [first = ['accuracy']] = named;
  return first.filter((name) => named.every((names) => names.includes(name)));
}

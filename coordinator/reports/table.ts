/** The table at the end of a run, as plain text: which model reached which figures with how many parameters. Pure. */
import { figureTexts, type Figures } from '../../shared/figures/figures.js';
import { alignedLine, columnWidths } from './text-table.js';

export interface TableRow {
  readonly name: string;
  /** Undefined for a model that is a part of another row's. */
  readonly parameters: number | undefined;
  /** None where there is no evaluation set. */
  readonly figures: Figures;
}

export function resultTable(rows: readonly TableRow[]): string {
  const columns = columnsOf(rows);
  const head = ['model', 'parameters', ...columns];
  const body = rows.map(({ name, parameters, figures }) => {
    const texts = new Map(figureTexts(figures));
    return [
      name,
      parameters ? parameters.toLocaleString('en-US') : '-',
      ...columns.map((column) => texts.get(column) ?? '-'),
    ];
  });
  const widths = columnWidths([head, ...body]);
  const rule = [...widths.values()].map((width) => '-'.repeat(width));
  return [head, rule, ...body].map((row) => alignedLine(row, widths, (column) => column === 0)).join('\n');
}

/** The figures that all models with any have in common, the main one first; accuracy where no model has any. */
function columnsOf(rows: readonly TableRow[]): string[] {
  const named = rows
    .map(({ figures }) => figureTexts(figures).map(([name]) => name))
    .filter((names) => names.length > 0);
  const [first = ['accuracy']] = named;
  return first.filter((name) => named.every((names) => names.includes(name)));
}

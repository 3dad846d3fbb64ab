/** The table at the end of a run, as plain text: who reached what with how many parameters. */

export interface TableRow {
  readonly name: string;
  /** Undefined for what is a part of another row's. */
  readonly parameters: number | undefined;
  /** Fraction of evaluation samples classified rightly; undefined where there is no evaluation set. */
  readonly accuracy: number | undefined;
}

export function resultTable(rows: readonly TableRow[]): string {
  const cells = [
    ['model', 'parameters', 'accuracy'],
    ...rows.map((row) => [row.name, row.parameters?.toLocaleString('en-US') ?? '-', row.accuracy === undefined ? '-' : `${(row.accuracy * 100).toFixed(2)} %`]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `  ${(row[0] ?? '').padEnd(widths[0] ?? 0)}  ${(row[1] ?? '').padStart(widths[1] ?? 0)}  ${(row[2] ?? '').padStart(widths[2] ?? 0)}`;
  const [head = [], ...body] = cells;
  return [line(head), `  ${widths.map((width) => '-'.repeat(width)).join('  ')}`, ...body.map(line)].join('\n');
}

/** Rows of text as lines whose columns are aligned. Pure. */
import { must } from '../../shared/must.js';

type Row = readonly string[];

/** Width of each column in characters, by its number: that of its longest cell. */
export function columnWidths(rows: readonly Row[]): ReadonlyMap<number, number> {
  const widths = new Map<number, number>();
  for (const row of rows)
    row.forEach((cell, column) => widths.set(column, Math.max(cell.length, widths.get(column) ?? cell.length)));
  return widths;
}

/** The row as an indented line. @param isLeft whether a column's cells stand at its left, and not at its right */
export function alignedLine(
  row: Row,
  widths: ReadonlyMap<number, number>,
  isLeft: (column: number) => boolean = () => false,
): string {
  const cells = row.map((cell, column) => {
    const width = must(widths, column, 'width of column');
    return isLeft(column) ? cell.padEnd(width) : cell.padStart(width);
  });
  return `  ${cells.join('  ')}`;
}

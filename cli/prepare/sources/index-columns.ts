/** Columns that number the rows and are no features: what pandas and R write beside a table. Pure. */
import type { Note } from './source.js';

/** Names that pandas gives an index without one: in Parquet, and when a CSV file with one is read and written again. */
const indexName = /^(?:__index_level_\d+__|Unnamed: 0(?:\.\d+)*)$/;

/** Whether the column's name says that it is an index; a name that is empty is one of the first column alone. */
export function isIndexColumn(name: string, column: number): boolean {
  return indexName.test(name) || (column === 0 && name.trim() === '');
}

/** What the user is told of columns that were left out of the inputs. */
export function indexNotes(path: string, names: readonly string[]): Note[] {
  return names.map((name) => ({
    text: `${path}: ${name.trim() === '' ? 'the first column, which has no name,' : `column ${name}`} is taken for an index and left out of the inputs; another name makes it one of them`,
    isOdd: true,
  }));
}

/** Parquet: a sample a row. Annotations are read at once, inputs by range of rows when they are asked for. */
import { openEach } from './input-files.js';
import { openTable } from './parquet-file.js';
import { classNamesIn } from './parquet-metadata.js';
import { openRows } from './row-table.js';
import type { FormatRecipe, Source, SourceContext, SourceFormat } from './source.js';

const endings = ['.parquet', '.pq'];

type ParquetRecipe = FormatRecipe<'parquet'>;

export const parquet: SourceFormat<'parquet'> = {
  files: ({ inputs }) => ({ inputs }),
  open: (recipe, context) =>
    openEach({ inputs: recipe.inputs, endings, path: context.path }, (file) => openParquet(file, recipe, context)),
};

async function openParquet(path: string, recipe: ParquetRecipe, context: SourceContext): Promise<Source> {
  const table = await openTable(path);
  const source = await openRows(path, { recipe, context, table });
  const ownNames = context.classNames === undefined ? classNamesIn(table.keyValues, recipe.labels) : undefined;
  return { ...source, read: source.read.bind(source), classNames: source.classNames ?? ownNames };
}

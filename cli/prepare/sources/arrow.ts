/** Arrow: a sample a row, in a file (also Feather, version 2) or a stream of record batches, which are read one at a time. */
import { openArrow } from './arrow-file.js';
import { openEach } from './input-files.js';
import { classNamesIn } from './parquet-metadata.js';
import { openRanged } from './ranged-bytes.js';
import { openRows } from './row-table.js';
import type { SourceFormat } from './source.js';

const endings = ['.arrow', '.arrows', '.feather', '.ipc'];

export const arrow: SourceFormat<'arrow'> = {
  files: ({ inputs }) => ({ inputs }),
  open: (recipe, context) =>
    openEach({ inputs: recipe.inputs, endings, path: context.path }, async (path) => {
      const table = await openArrow(path, await openRanged(path, context.spool));
      const source = await openRows(path, { recipe, context, table });
      const ownNames = context.classNames === undefined ? classNamesIn(table.keyValues, recipe.labels) : undefined;
      return { ...source, read: source.read.bind(source), classNames: source.classNames ?? ownNames };
    }),
};

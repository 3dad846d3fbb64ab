/** The formats of data sets, a line each, by the name that stands under `format` in the recipe. */
import { arrow } from './arrow.js';
import { csv } from './csv.js';
import { folder } from './folder.js';
import { idx } from './idx.js';
import { jsonl } from './jsonl.js';
import { npy } from './npy.js';
import { parquet } from './parquet.js';
import { tfrecord } from './tfrecord.js';
import { webdataset } from './webdataset.js';
import type { FilesByKey, FormatName, FormatRecipe, Source, SourceContext, SourceFormat } from './source.js';

export const sourceFormats: { readonly [F in FormatName]: SourceFormat<F> } = {
  idx,
  npy,
  csv,
  jsonl,
  parquet,
  folder,
  webdataset,
  tfrecord,
  arrow,
};

/** @throws UserError 2 for a missing file, 65 for one that is damaged or does not hold what the recipe says */
export function openFormat<F extends FormatName>(
  format: F,
  recipe: FormatRecipe<F>,
  context: SourceContext,
): Promise<Source> {
  return sourceFormats[format].open(recipe, context);
}

/** The files and folders that the recipe names, by the keys under which it names them. */
export function filesOf<F extends FormatName>(format: F, recipe: FormatRecipe<F>): FilesByKey {
  return sourceFormats[format].files(recipe);
}

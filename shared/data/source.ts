/** A data set as the user has it on disk, opened by format: shape, labels, and rows on demand. */
import { isAbsolute, join } from 'node:path';
import type { SourceRecipe } from '../recipe/schema.js';
import { openCsv } from './csv.js';
import { openIdx } from './idx.js';
import { openNpy } from './npy.js';
import type { Source } from './rows.js';

/** @throws UserError 2 for a missing file, 65 for one that is damaged */
export async function openSource(recipe: SourceRecipe, folder: string): Promise<Source> {
  const path = (name: string): string => (isAbsolute(name) ? name : join(folder, name));
  const source = await open(recipe, path);
  const samples = Math.min(source.samples, recipe.limit ?? source.samples);
  const labels = source.labels.slice(0, samples);
  if (recipe.labelled !== undefined) labels.fill(-1, Math.min(recipe.labelled, samples));
  return { ...source, read: (from, to) => source.read(from, to), close: () => source.close(), samples, shape: withChannels(source.shape), labels };
}

function open(recipe: SourceRecipe, path: (name: string) => string): Promise<Source> {
  switch (recipe.format) {
    case 'idx':
      return openIdx(path(recipe.images ?? recipe.inputs ?? ''), recipe.labels === undefined ? undefined : path(recipe.labels));
    case 'npy':
      return openNpy(path(recipe.images ?? recipe.inputs ?? ''), recipe.labels === undefined ? undefined : path(recipe.labels));
    case 'csv':
      return openCsv(path(recipe.inputs), recipe);
    default:
      return recipe satisfies never;
  }
}

/** An image of [height, width] gets its one channel. */
function withChannels(shape: readonly number[]): readonly number[] {
  return shape.length === 2 ? [...shape, 1] : shape;
}

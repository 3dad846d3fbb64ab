/** What looks odd in data that fits the recipe, a line each. Pure. */
import type { Recipe } from '../../shared/recipe/schema.js';
import type { DataSets } from './data-checks.js';
import { looksChannelsFirst } from './sample-channels.js';

/** @returns lines for the user */
export function dataRemarks(recipe: Recipe, { train }: DataSets): string[] {
  return channelsRemarks(recipe, train.dataSet.shape);
}

function channelsRemarks({ data: { train } }: Recipe, shape: readonly number[]): string[] {
  if (train.format === 'folder' || !looksChannelsFirst(shape)) return [];
  return [
    `data.train: samples of [${shape.join(', ')}] look like images with their channels first; channels last wanted, or layout: nchw in data.train for images that are`,
  ];
}

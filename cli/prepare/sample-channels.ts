/** The channels of samples, and whether what the recipe says of each channel fits them. Pure. */
import { counted } from '../../shared/counted.js';
import { UserError } from '../../shared/errors.js';
import type { Preprocess } from '../../shared/recipe/schema.js';

/** Whether a sample of three dimensions has as few elements along the first as images have channels, but not along the last. */
export function looksChannelsFirst(shape: readonly number[]): boolean {
  const [first = 0, , last = 0] = shape;
  return shape.length === 3 && first <= 4 && last > 4;
}

/**
 * Checks that means and standard deviations are one for all channels, or one for each.
 * @param shape of one sample, channels last
 * @throws UserError 2 for lists of another length
 */
export function checkPreprocess(preprocess: Preprocess | undefined, shape: readonly number[]): void {
  const channels = shape.at(-1) ?? 1;
  for (const key of ['mean', 'std'] as const) {
    const values = preprocess?.[key] ?? [];
    if (values.length <= 1 || values.length === channels) continue;
    const first = looksChannelsFirst(shape)
      ? '; channels last wanted, or layout: nchw in data.train (and eval) where they stand first'
      : '';
    throw new UserError(
      `data.preprocess.${key}: ${counted(values.length, 'value')} given for samples of [${shape.join(', ')}]; ${channels === 1 ? 'one, as they have one channel,' : `1 or ${channels} (the channels)`} wanted${first}`,
    );
  }
}

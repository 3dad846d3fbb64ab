/** Images that a file holds channels first, as PyTorch does, brought into the order that everything here has. Pure. */
import { UserError } from '../../../shared/errors.js';
import { elementsIn } from '../../../shared/shape.js';
import type { Rows, Source } from './source.js';

/**
 * Turns samples of [channels, height, width] into [height, width, channels].
 * @throws UserError 2 for samples of another rank
 */
export function channelsLast(source: Source): Source {
  const [channels = 0, height = 0, width = 0] = source.shape;
  if (source.shape.length !== 3)
    throw new UserError(
      `${source.file}: samples of [${source.shape.join(', ')}] given beside layout: nchw; [channels, height, width] wanted`,
    );
  return {
    ...source,
    shape: [height, width, channels],
    parts: source.parts?.map(({ name }) => ({ name, shape: [height, width, channels] })),
    read: async (from, to) => transposed(await source.read(from, to), source.shape),
    close: source.close.bind(source),
  };
}

function transposed(rows: Rows, [channels = 0, ...dims]: readonly number[]): Rows {
  const pixels = elementsIn(dims);
  const size = channels * pixels;
  const out = rows.slice();
  for (let from = 0; from < rows.length; from += size)
    for (let c = 0; c < channels; c++)
      for (let pixel = 0; pixel < pixels; pixel++)
        out[from + pixel * channels + c] = rows[from + c * pixels + pixel] ?? 0;
  return out;
}

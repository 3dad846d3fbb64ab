/** Images with another number of channels than the samples have. Pure. */
import { counted } from '../../../shared/counted.js';

/** The weights of ITU-R 601 by which colours become grey, as the reader of images has them. */
const greyWeights = [19595 / 65536, 38470 / 65536, 7471 / 65536] as const;

/**
 * Grey to three equal channels, or RGB to grey by the weights of ITU-R 601, not rounded.
 * @param pixels [pixels x from]
 * @returns [pixels x to]; the same array where the numbers of channels are the same
 * @throws RangeError for other numbers of channels
 */
export function changeChannels(pixels: Float32Array, from: number, to: 1 | 3): Float32Array {
  if (from === to) return pixels;
  if (from === 1) {
    const out = new Float32Array(pixels.length * to);
    for (let i = 0; i < out.length; i++) out[i] = pixels[Math.floor(i / to)] ?? 0;
    return out;
  }
  if (from !== 3) throw new RangeError(`${counted(from, 'channel')} cannot become ${to}`);
  const [r, g, b] = greyWeights;
  return Float32Array.from(
    { length: pixels.length / 3 },
    (_, i) => r * (pixels[3 * i] ?? 0) + g * (pixels[3 * i + 1] ?? 0) + b * (pixels[3 * i + 2] ?? 0),
  );
}

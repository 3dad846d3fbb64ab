/**
 * Augmentation of one raw sample: a pure function of the sample, the recipe's `data.augment` and a key (seed, sample,
 * view), so that a view is the same whoever makes it, and labels of it can be kept. Additions, multiplications and
 * divisions of float64 alone, rounded to float32 once an operation: the same bits everywhere. Mixing two samples is the
 * worker's (worker/mixup.ts), since partners are of one micro-batch.
 *
 * In this order: crop, shift, flip, cutout (images [height, width, channels]); noise (samples of any shape).
 */
import { randomStream, type RandomKey, type RandomStream } from '../random.js';
import type { Augment } from '../recipe/schema.js';

/** What only images have room for. */
export const imageOperations = ['crop', 'shift', 'flip', 'cutout'] as const;

/** Number of the view of a sample in an epoch: of a fixed number in turn, else a new one each time. */
export function viewOf({ views }: Pick<Augment, 'views'>, epoch: number): number {
  return views === undefined ? epoch : epoch % views;
}

/** `sample` is raw, channels last, of this shape; it is changed in place. */
export function augmentSample(sample: Float32Array, shape: readonly number[], augment: Augment, key: RandomKey): void {
  const draw = (use: string): RandomStream => randomStream([...key, use]);
  const [height = 1, width = 1, channels = 1] = shape;
  const image = { height, width, channels, fill: augment.fill };
  if (augment.crop !== undefined) crop(sample, image, augment.crop, draw('crop'));
  if (augment.shift !== undefined) shift(sample, image, augment.shift, draw('shift'));
  if (augment.flip && draw('flip').below(2) === 1) flip(sample, image);
  if (augment.cutout !== undefined) cutout(sample, image, augment.cutout, draw('cutout'));
  if (augment.noise !== undefined) addNoise(sample, augment.noise, draw('noise'));
}

interface Image {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Raw value of pixels from outside. */
  readonly fill: number;
}

/**
 * A window whose sides are at least the share `least` of the image's, anywhere in it, brought back to the image's size
 * (bilinear).
 */
function crop(pixels: Float32Array, { height, width, channels }: Image, least: number, stream: RandomStream): void {
  const share = least + (1 - least) * stream.float();
  const top = stream.float() * (1 - share) * (height - 1);
  const left = stream.float() * (1 - share) * (width - 1);
  const from = pixels.slice();
  const columns = Array.from({ length: width }, (_, x) => between(left + x * share, width));
  for (let y = 0, to = 0; y < height; y++) {
    const [upper, lower, down] = between(top + y * share, height);
    for (const [before, after, right] of columns) {
      const topLeft = (upper * width + before) * channels;
      const [toRight, toBottom] = [(after - before) * channels, (lower - upper) * width * channels];
      for (let at = topLeft; at < topLeft + channels; at++, to++) {
        const above = blend(from[at] ?? 0, from[at + toRight] ?? 0, right);
        const below = blend(from[at + toBottom] ?? 0, from[at + toBottom + toRight] ?? 0, right);
        pixels[to] = blend(above, below, down);
      }
    }
  }
}

/** So far on the way from a to b. */
function blend(a: number, b: number, share: number): number {
  return a + share * (b - a);
}

/** The two pixels around a place, and how far behind the first it is. */
function between(place: number, length: number): [number, number, number] {
  const first = Math.min(Math.floor(place), length - 1);
  return [first, Math.min(first + 1, length - 1), place - first];
}

/** By up to `most` pixels along each side. */
function shift(
  pixels: Float32Array,
  { height, width, channels, fill }: Image,
  most: number,
  stream: RandomStream,
): void {
  const down = stream.below(2 * most + 1) - most;
  const right = stream.below(2 * most + 1) - most;
  if (down === 0 && right === 0) return;
  const from = pixels.slice();
  pixels.fill(fill);
  const [start, end] = [Math.max(0, -right), Math.min(width, width - right)];
  for (let y = Math.max(0, -down); y < Math.min(height, height - down); y++) {
    const row = from.subarray((y * width + start) * channels, (y * width + end) * channels);
    pixels.set(row, ((y + down) * width + start + right) * channels);
  }
}

/** Left to right. */
function flip(pixels: Float32Array, { height, width, channels }: Image): void {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < Math.floor(width / 2); x++) {
      for (let c = 0; c < channels; c++) {
        const [a, b] = [(y * width + x) * channels + c, (y * width + width - 1 - x) * channels + c];
        const held = pixels[a] ?? 0;
        pixels[a] = pixels[b] ?? 0;
        pixels[b] = held;
      }
    }
  }
}

/** A square of this side around a pixel, as far as it lies in the image (DeVries and Taylor 2017). */
function cutout(
  pixels: Float32Array,
  { height, width, channels, fill }: Image,
  side: number,
  stream: RandomStream,
): void {
  const top = stream.below(height) - Math.floor(side / 2);
  const left = stream.below(width) - Math.floor(side / 2);
  const [start, end] = [Math.max(0, left), Math.min(width, left + side)];
  for (let y = Math.max(0, top); y < Math.min(height, top + side); y++)
    pixels.fill(fill, (y * width + start) * channels, (y * width + end) * channels);
}

const halfScale = Math.sqrt(3) / 0x10000;

/**
 * Nearly normal, with this standard deviation: the sum of four uniform numbers of 16 bits (Irwin and Hall), which never
 * exceeds 3.47 of them.
 */
function addNoise(values: Float32Array, deviation: number, stream: RandomStream): void {
  const scale = deviation * halfScale;
  for (let i = 0; i < values.length; i++) {
    const [a, b] = [stream.uint32(), stream.uint32()];
    values[i] = (values[i] ?? 0) + scale * ((a & 0xffff) + (a >>> 16) + (b & 0xffff) + (b >>> 16) - 2 * 0xffff);
  }
}

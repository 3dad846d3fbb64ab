/**
 * Images at another resolution, separably: first along the rows, then along the columns, in float64, rounded to float32
 * once a pass. Where an image shrinks, the filters grow with it (antialiasing), as in PIL and in torchvision's
 * `Resize(antialias=True)`; places are pixel centres. Values are those of PIL's mode F. Pure.
 *
 * - nearest: the pixel at floor((i + 0.5) * from / to), as PIL's NEAREST and torch's nearest-exact
 * - bilinear: the triangle filter
 * - bicubic: Keys 1981 with a = -0.5, as PIL and torch with antialias (torch without it takes -0.75)
 * - area: the mean over what a new pixel covers, by exact overlap, as OpenCV's INTER_AREA when shrinking; at whole
 *   factors PIL's BOX
 */
import type { TeacherSpec } from '../../../shared/protocol/messages.js';

export type Resize = NonNullable<TeacherSpec['resize']>;

/** The old pixels that a new one is made of: from `first` on, so much of each. */
interface Mix {
  readonly first: number;
  readonly shares: Float64Array;
}

/**
 * Resizes images one after the other.
 * @param pixels [rows x height x width x channels]
 * @param shape of one image: [height, width, channels]
 * @returns [rows x to x channels]; the same array where the size is the same
 */
export function resizeImages(pixels: Float32Array, shape: readonly number[], { to, method }: Resize): Float32Array {
  const [height = 1, width = 1, channels = 1] = shape;
  const [toHeight, toWidth] = to;
  if (height === toHeight && width === toWidth) return pixels;
  const rows = pixels.length / (height * width * channels);
  const across = alongAxis(pixels, mixes(width, toWidth, method), {
    outer: rows * height,
    from: width,
    inner: channels,
  });
  return alongAxis(across, mixes(height, toHeight, method), { outer: rows, from: height, inner: toWidth * channels });
}

interface Axis {
  /** Lines along the axis, each of `from` places of `inner` numbers. */
  readonly outer: number;
  readonly from: number;
  readonly inner: number;
}

function alongAxis(values: Float32Array, plan: readonly Mix[], { outer, from, inner }: Axis): Float32Array {
  const out = new Float32Array(outer * plan.length * inner);
  const sums = new Float64Array(inner);
  let to = 0;
  for (let line = 0; line < outer; line++) {
    for (const { first, shares } of plan) {
      sums.fill(0);
      let at = (line * from + first) * inner;
      for (let k = 0; k < shares.length; k++) {
        const share = shares[k] ?? 0;
        for (let c = 0; c < inner; c++) sums[c] = (sums[c] ?? 0) + share * (values[at++] ?? 0);
      }
      for (let c = 0; c < inner; c++) out[to++] = sums[c] ?? 0;
    }
  }
  return out;
}

function mixes(from: number, to: number, method: Resize['method']): Mix[] {
  const scale = from / to;
  return Array.from({ length: to }, (_, i): Mix => {
    if (method === 'nearest')
      return { first: Math.min(from - 1, Math.floor((i + 0.5) * scale)), shares: Float64Array.of(1) };
    return method === 'area'
      ? covered(i * scale, (i + 1) * scale, from)
      : filtered((i + 0.5) * scale, from, scale, method);
  });
}

/** By the overlap of [low, high) with each pixel. */
function covered(low: number, high: number, from: number): Mix {
  const first = Math.min(from - 1, Math.floor(low + 1e-9));
  const end = Math.max(first + 1, Math.min(from, Math.ceil(high - 1e-9)));
  return normalised(first, end, (pixel) => Math.min(high, pixel + 1) - Math.max(low, pixel));
}

/** By a filter around a centre; its support is widened by the factor by which the image shrinks. */
function filtered(centre: number, from: number, scale: number, method: 'bilinear' | 'bicubic'): Mix {
  const stretch = Math.max(1, scale);
  const support = (method === 'bilinear' ? 1 : 2) * stretch;
  const kernel = method === 'bilinear' ? triangle : cubic;
  const first = Math.max(0, Math.trunc(centre - support + 0.5));
  const end = Math.min(from, Math.trunc(centre + support + 0.5));
  return normalised(first, end, (pixel) => kernel((pixel - centre + 0.5) / stretch));
}

function normalised(first: number, end: number, shareOf: (pixel: number) => number): Mix {
  const shares = Float64Array.from({ length: end - first }, (_, i) => shareOf(first + i));
  const sum = shares.reduce((total, share) => total + share, 0);
  return { first, shares: shares.map((share) => share / sum) };
}

function triangle(x: number): number {
  return Math.max(0, 1 - Math.abs(x));
}

/** Keys, R. (1981), Cubic convolution interpolation for digital image processing. */
function cubic(x: number): number {
  const a = -0.5;
  const d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
}

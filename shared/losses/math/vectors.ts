/** Cosine and correlation of vectors in float64, with their gradients, for losses on directions. Pure. */

/** A norm below this counts as this, since a vector of zeros has no direction. */
export const smallestNorm = 1e-8;

/** Two vectors of equal length inside bigger arrays: their elements are at `at`, `at + stride`, and so on. */
export interface TwoVectors {
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly at: number;
  readonly stride: number;
  readonly length: number;
  /** What is taken from each element of x and of y first; absent: nothing. */
  readonly means?: { readonly x: number; readonly y: number };
}

const noMeans = { x: 0, y: 0 };

/** cos(x, y) = x.y / (|x| |y|); adds `factor` d cos / d x to `slopes`, laid out as x. */
export function cosine(
  { x, y, at, stride, length, means = noMeans }: TwoVectors,
  factor: number,
  slopes: Float64Array,
): number {
  let [xx, yy, xy] = [0, 0, 0];
  for (let i = 0, j = at; i < length; i++, j += stride) {
    const [a, b] = [(x[j] ?? 0) - means.x, (y[j] ?? 0) - means.y];
    xx += a * a;
    yy += b * b;
    xy += a * b;
  }
  const [normX, normY] = [Math.max(Math.sqrt(xx), smallestNorm), Math.max(Math.sqrt(yy), smallestNorm)];
  const cos = xy / (normX * normY);
  const turn = Math.sqrt(xx) > smallestNorm ? cos / normX : 0;
  for (let i = 0, j = at; i < length; i++, j += stride) {
    const [a, b] = [(x[j] ?? 0) - means.x, (y[j] ?? 0) - means.y];
    slopes[j] = (slopes[j] ?? 0) + factor * ((b / normY - turn * a) / normX);
  }
  return cos;
}

/** Pearson's correlation: the cosine of the vectors less their means. The gradient's own mean is 0 already. */
export function pearson(vectors: TwoVectors, factor: number, slopes: Float64Array): number {
  const means = { x: meanOf(vectors.x, vectors), y: meanOf(vectors.y, vectors) };
  return cosine({ ...vectors, means }, factor, slopes);
}

function meanOf(values: Float64Array, { at, stride, length }: TwoVectors): number {
  let sum = 0;
  for (let i = 0, j = at; i < length; i++, j += stride) sum += values[j] ?? 0;
  return length > 0 ? sum / length : 0;
}

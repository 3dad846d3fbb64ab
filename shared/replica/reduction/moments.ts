/**
 * Batch-norm moments pooled over micro-batches, in float64 (pooling float32 E[x^2] - E[x]^2 loses small variances).
 *
 *   n = na + nb;  d = mean_b - mean_a;  mean = mean_a + d nb / n;  M2 = M2_a + M2_b + d^2 na nb / n
 *
 * Chan, Golub, LeVeque, Updating formulae and a pairwise algorithm for computing sample variances (1979). Pooling is
 * not associative in floating point, so it is done in tree order as all sums are.
 */

export interface PooledMoments {
  /** Per batch-norm layer: how many values each of its moments was taken over (rows x positions). */
  readonly counts: readonly number[];
  /**
   * Per batch-norm layer, in the plan's order: mean[channels], then M2[channels] (sum of squared distances from it).
   */
  readonly values: Float64Array;
}

/** All that pooling needs to know of a batch-norm layer. */
export interface NormChannels {
  readonly channels: number;
}

/** Moments of a contribution, in float64 values: mean and M2 of each channel of each layer. */
export function momentValues(norms: readonly NormChannels[]): number {
  return 2 * norms.reduce((sum, norm) => sum + norm.channels, 0);
}

/**
 * How many values the moments of one layer were taken over.
 *
 * @param layer index in the plan's order
 * @throws Error when the moments have no such layer
 */
export function countOf({ counts }: PooledMoments, layer: number): number {
  const count = counts[layer];
  if (count === undefined) throw new Error(`moments without a count for batch-norm layer ${layer}`);
  return count;
}

/** Pools the left sibling `a` with the right one `b`; null, or a layer's count of 0, passes the other through. */
export function pool(
  a: PooledMoments | null,
  b: PooledMoments | null,
  norms: readonly NormChannels[],
): PooledMoments | null {
  if (a === null || b === null) return a ?? b;
  const values = new Float64Array(momentValues(norms));
  let offset = 0;
  const counts = norms.map(({ channels }, layer) => {
    const counts = { a: countOf(a, layer), b: countOf(b, layer) };
    poolLayer({ a: a.values, b: b.values, out: values, offset, channels }, counts);
    offset += 2 * channels;
    return counts.a + counts.b;
  });
  return { counts, values };
}

interface LayerValues {
  readonly a: Float64Array;
  readonly b: Float64Array;
  readonly out: Float64Array;
  readonly offset: number;
  readonly channels: number;
}

function poolLayer({ a, b, out, offset, channels }: LayerValues, counts: { a: number; b: number }): void {
  if (counts.a === 0 || counts.b === 0) {
    out.set((counts.a === 0 ? b : a).subarray(offset, offset + 2 * channels), offset);
    return;
  }
  const n = counts.a + counts.b;
  for (let mean = offset; mean < offset + channels; mean++) {
    const m2 = mean + channels;
    const [meanA = 0, meanB = 0] = [a[mean], b[mean]];
    const d = meanB - meanA;
    out[mean] = meanA + (d * counts.b) / n;
    out[m2] = (a[m2] ?? 0) + (b[m2] ?? 0) + (d * d * counts.a * counts.b) / n;
  }
}

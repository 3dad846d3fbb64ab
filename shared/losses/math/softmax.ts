/** Softmax in log space, row by row, for losses on logits. Pure. */

/**
 * Writes log softmax(z / T) of row `row` into `out`: z/T - max - log(sum(exp(z/T - max))), finite for finite logits of
 * any size. In float64; `logits_BC` is [rows x out.length].
 */
export function logSoftmaxRow(logits_BC: Float32Array, row: number, temperature: number, out: Float64Array): void {
  const classes = out.length;
  const at = row * classes;
  let max = -Infinity;
  for (let k = 0; k < classes; k++) {
    const z = (logits_BC[at + k] ?? 0) / temperature;
    out[k] = z;
    if (z > max) max = z;
  }
  let sum = 0;
  for (let k = 0; k < classes; k++) sum += Math.exp((out[k] ?? 0) - max);
  const normaliser = max + Math.log(sum);
  for (let k = 0; k < classes; k++) out[k] = (out[k] ?? 0) - normaliser;
}

/** log softmax(z / T) of every row, in float64. */
export function logSoftmax(logits_BC: Float32Array, classes: number, temperature: number): Float64Array {
  const out_BC = new Float64Array(logits_BC.length);
  for (let row = 0; row < logits_BC.length / classes; row++)
    logSoftmaxRow(logits_BC, row, temperature, out_BC.subarray(row * classes, (row + 1) * classes));
  return out_BC;
}

/**
 * One class's part of KL(p || q), p log(p / q) - p + q: never below 0, and q where p is 0. The last two add up to 0
 * over all classes; without them the rounding of a float32 label, times T^2, would be seen in the value at high
 * temperatures.
 */
export function divergenceOf(p: number, q: number, logRatio: number): number {
  return p > 0 ? p * logRatio - p + q : q;
}

/** log of the sum of exp over all but one place; -Infinity where nothing is left. */
export function logSumExpBut(values_C: Float64Array, left: number): number {
  let max = -Infinity;
  values_C.forEach((value, k) => {
    if (k !== left && value > max) max = value;
  });
  if (max === -Infinity) return max;
  let sum = 0;
  values_C.forEach((value, k) => {
    if (k !== left) sum += Math.exp(value - max);
  });
  return max + Math.log(sum);
}

export interface ThroughSoftmax {
  /** q, [rows x classes] */
  readonly probabilities_BC: Float64Array;
  /** d value / d q */
  readonly slopes_BC: Float64Array;
  readonly classes: number;
  readonly factor: number;
}

/** Adds factor q_k (slope_k - sum_j slope_j q_j), which is d value / d (z / T) times the factor. */
export function softmaxGradient(
  { probabilities_BC, slopes_BC, classes, factor }: ThroughSoftmax,
  gradient_BC: Float64Array,
): void {
  for (let at = 0; at < probabilities_BC.length; at += classes) {
    let mean = 0;
    for (let i = at; i < at + classes; i++) mean += (slopes_BC[i] ?? 0) * (probabilities_BC[i] ?? 0);
    for (let i = at; i < at + classes; i++)
      gradient_BC[i] = (gradient_BC[i] ?? 0) + factor * (probabilities_BC[i] ?? 0) * ((slopes_BC[i] ?? 0) - mean);
  }
}

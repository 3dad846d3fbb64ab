/** Softmax in log space, row by row: what the losses on logits share. */

/**
 * Writes log softmax(z / T) of row `row` into `out`: z/T - max - log(sum(exp(z/T - max))), finite for finite logits of any
 * size. In float64; `logits_BC` is [rows x out.length].
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

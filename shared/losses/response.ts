/**
 * Response distillation (Hinton et al. 2015) from the ensemble's soft labels p at temperature T:
 *
 *   value = T^2 sum_k p_k (log p_k - log q_k),  q = softmax(z / T),  d value / dz = T (q - p)
 *
 * PyTorch's kl_div(log q, p, 'batchmean') x T^2.
 */
import { divergenceOf, logSoftmaxRow } from './math/softmax.js';
import type { TermInput, TermValues } from './term.js';

/** @param logP_BC log-probabilities, [rows x classes] */
export function response(
  { logits_BC, classes, scale, gradient_BC }: TermInput,
  logP_BC: Float32Array | Float64Array,
  temperature: number,
): TermValues {
  const rows = logP_BC.length / classes;
  const values_B = new Float32Array(rows);
  const logQ_C = new Float64Array(classes);
  for (let row = 0; row < rows; row++) {
    logSoftmaxRow(logits_BC, row, temperature, logQ_C);
    let divergence = 0;
    for (let k = 0; k < classes; k++) {
      const at = row * classes + k;
      const [logP, logQ] = [logP_BC[at] ?? 0, logQ_C[k] ?? 0];
      const [p, q] = [Math.exp(logP), Math.exp(logQ)];
      divergence += divergenceOf(p, q, logP - logQ);
      gradient_BC[at] = (gradient_BC[at] ?? 0) + scale * temperature * (q - p);
    }
    values_B[row] = temperature * temperature * divergence;
  }
  return { values_B, count: rows };
}

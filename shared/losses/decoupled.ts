/**
 * Decoupled distillation (DKD, Zhao et al. 2022): the label's class against all others, and the others among
 * themselves.
 *
 *   value = T^2 (alpha KL([p_y, 1 - p_y] || [q_y, 1 - q_y]) + beta KL(p' || q')),  p', q': without class y, normalised
 *   d/dz_y = T alpha (q_y - p_y),   d/dz_k = T (alpha q'_k (p_y - q_y) + beta (q'_k - p'_k))
 *
 * For the labelled samples alone. With beta = 1 - p_y it is the response term; a constant beta is what the paper adds.
 */
import { divergenceOf, logSoftmaxRow, logSumExpBut } from './math/softmax.js';
import type { TermInput, TermValues } from './term.js';

export interface DecoupledOptions {
  readonly alpha: number;
  readonly beta: number;
  readonly temperature: number;
}

/** @param logP_BC log-probabilities of the ensemble at the temperature; labels_B: -1 for none */
export function decoupled(
  { logits_BC, classes, scale, gradient_BC }: TermInput,
  labels_B: Int32Array,
  logP_BC: Float32Array,
  { alpha, beta, temperature }: DecoupledOptions,
): TermValues {
  const values_B = new Float32Array(labels_B.length);
  const logQ_C = new Float64Array(classes);
  let count = 0;
  labels_B.forEach((label, row) => {
    if (label < 0) return;
    count++;
    logSoftmaxRow(logits_BC, row, temperature, logQ_C);
    const logP_C = Float64Array.from(logP_BC.subarray(row * classes, (row + 1) * classes));
    const [logPy, logQy] = [logP_C[label] ?? 0, logQ_C[label] ?? 0];
    const [logOthersP, logOthersQ] = [logSumExpBut(logP_C, label), logSumExpBut(logQ_C, label)];
    const [py, qy] = [Math.exp(logPy), Math.exp(logQy)];
    const target =
      divergenceOf(py, qy, logPy - logQy) +
      divergenceOf(Math.exp(logOthersP), Math.exp(logOthersQ), logOthersP - logOthersQ);
    let others = 0;
    for (let k = 0; k < classes; k++) {
      const at = row * classes + k;
      const [logP, logQ] = [(logP_C[k] ?? 0) - logOthersP, (logQ_C[k] ?? 0) - logOthersQ];
      const [p, q] = [Math.exp(logP), Math.exp(logQ)];
      if (k !== label) others += divergenceOf(p, q, logP - logQ);
      const slope = k === label ? alpha * (qy - py) : alpha * q * (py - qy) + beta * (q - p);
      gradient_BC[at] = (gradient_BC[at] ?? 0) + scale * temperature * slope;
    }
    values_B[row] = temperature * temperature * (alpha * target + beta * others);
  });
  return { values_B, count };
}

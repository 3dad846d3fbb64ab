/**
 * Decoupled distillation (DKD, Zhao et al. 2022): the label's class against all others, and the others among
 * themselves.
 *
 *   value = T^2 (alpha KL([p_y, 1 - p_y] || [q_y, 1 - q_y]) + beta KL(p' || q')),  p', q': without class y, normalised
 *   d/dz_y = T alpha (q_y - p_y),   d/dz_k = T (alpha q'_k (p_y - q_y) + beta (q'_k - p'_k))
 *
 * For the labelled samples alone. With beta = 1 - p_y it is the response term; a constant beta is what the paper adds.
 */
import { nonNegative } from '../numbers.js';
import { lossOnOutputs } from './loss.js';
import type { LossValues, TargetInput } from './math/inputs.js';
import { divergenceOf, logSoftmaxRow, logSumExpBut } from './math/softmax.js';
import { usualTemperatures } from './options.js';

export const decoupled = lossOnOutputs({
  name: 'decoupled',
  description: 'DKD: T^2 x (alpha x target part + beta x the other classes)',
  compares: "the answer with the soft labels: the label's class apart from the others",
  formula: "T^2 (alpha KL([p_y, 1 - p_y] || [q_y, 1 - q_y]) + beta KL(p' || q'))",
  source: 'DKD, Zhao et al. 2022',
  options: { alpha: nonNegative.default(1), beta: nonNegative.default(8) },
  temperature: { default: 4, usual: usualTemperatures },
  on: 'answer',
  target: 'mixture',
  over: 'labelled',
  tasks: ['classes', 'sequence'],
  written: ({ alpha, beta }, { square, at }) => `${square} x (${alpha} x target + ${beta} x other classes at ${at})`,
  usual: { weight: 1, crossEntropy: 1 },
  compute: computeDecoupled,
});

function computeDecoupled(
  { logits_BC, classes, labels_B, target_BC, temperature, scale, gradient_BC }: TargetInput,
  { alpha, beta }: { readonly alpha: number; readonly beta: number },
): LossValues {
  const values_B = new Float32Array(labels_B.length);
  const logQ_C = new Float64Array(classes);
  let count = 0;
  labels_B.forEach((label, row) => {
    if (label < 0) return;
    count++;
    logSoftmaxRow(logits_BC, row, temperature, logQ_C);
    const logP_C = Float64Array.from(target_BC.subarray(row * classes, (row + 1) * classes));
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

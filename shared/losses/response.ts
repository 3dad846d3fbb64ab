/**
 * Response distillation (Hinton et al. 2015) from the ensemble's soft labels p at temperature T:
 *
 *   value = T^2 sum_k p_k (log p_k - log q_k),  q = softmax(z / T),  d value / dz = T (q - p)
 *
 * PyTorch's kl_div(log q, p, 'batchmean') x T^2.
 */
import { lossOnOutputs } from './loss.js';
import type { LossValues, TargetInput } from './math/inputs.js';
import { divergenceOf, logSoftmaxRow } from './math/softmax.js';
import { usualTemperatures } from './options.js';

export const response = lossOnOutputs({
  name: 'response',
  description: 'T^2 x KL(ensemble || student)',
  compares: "the answer with the ensemble's soft labels",
  formula: 'T^2 KL(p || q)',
  source: 'Hinton et al. 2015',
  options: {},
  temperature: { default: 4, usual: usualTemperatures },
  on: 'answer',
  target: 'mixture',
  over: 'samples',
  tasks: ['classes', 'sequence'],
  written: (_options, { square, at }) => `${square} x KL(ensemble || student at ${at})`,
  usual: { weight: 0.9, crossEntropy: 0.1 },
  compute: computeResponse,
});

/** [rows x classes] of logits against log-probabilities at the temperature, as the head of this file says. */
export function computeResponse({
  logits_BC,
  classes,
  target_BC,
  temperature,
  scale,
  gradient_BC,
}: TargetInput): LossValues {
  const rows = target_BC.length / classes;
  const values_B = new Float32Array(rows);
  const logQ_C = new Float64Array(classes);
  for (let row = 0; row < rows; row++) {
    logSoftmaxRow(logits_BC, row, temperature, logQ_C);
    let divergence = 0;
    for (let k = 0; k < classes; k++) {
      const at = row * classes + k;
      const [logP, logQ] = [target_BC[at] ?? 0, logQ_C[k] ?? 0];
      const [p, q] = [Math.exp(logP), Math.exp(logQ)];
      divergence += divergenceOf(p, q, logP - logQ);
      gradient_BC[at] = (gradient_BC[at] ?? 0) + scale * temperature * (q - p);
    }
    values_B[row] = temperature * temperature * divergence;
  }
  return { values_B, count: rows };
}

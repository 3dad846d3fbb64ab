/**
 * The mean square between the student's logits z and the mean u of the teachers' raw logits, K numbers a sample (Ba and
 * Caruana 2014):
 *
 *   value = mean_k (z_k - u_k)^2,  d/dz_k = 2 (z_k - u_k) / K
 */
import { lossOnOutputs } from './loss.js';
import type { LossValues, TargetInput } from './math/inputs.js';

export const logitMse = lossOnOutputs({
  name: 'logitMse',
  description: "mean square of student's minus ensemble's logits",
  compares: "the raw logits with the mean of the teachers'",
  formula: 'mean (z - u)^2',
  source: 'Ba and Caruana 2014',
  options: {},
  on: 'answer',
  target: 'logits',
  over: 'samples',
  usual: { weight: 0.9, crossEntropy: 0.1 },
  compute: computeMeanSquare,
});

/** [rows x classes] of both, as the head of this file says. */
export function computeMeanSquare({ logits_BC, classes, target_BC, scale, gradient_BC }: TargetInput): LossValues {
  const values_B = new Float32Array(target_BC.length / classes);
  values_B.forEach((_, row) => {
    let sum = 0;
    for (let at = row * classes; at < (row + 1) * classes; at++) {
      const off = (logits_BC[at] ?? 0) - (target_BC[at] ?? 0);
      sum += off * off;
      gradient_BC[at] = (gradient_BC[at] ?? 0) + (scale * 2 * off) / classes;
    }
    values_B[row] = sum / classes;
  });
  return { values_B, count: values_B.length };
}

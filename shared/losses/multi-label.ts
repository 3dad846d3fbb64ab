/**
 * Several labels that do not exclude each other, each by itself, between the student's logits z and the mean u of the
 * teachers'; s is the logistic function:
 *
 *   value = T^2 sum_k KL(s(u_k / T) || s(z_k / T)),  d/dz_k = T (s(z_k / T) - s(u_k / T))
 */
import { lossOnOutputs } from './loss.js';
import type { LossValues, TargetInput } from './math/inputs.js';
import { logLogistic } from './math/logistic.js';

export const multiLabel = lossOnOutputs({
  name: 'multiLabel',
  description: 'binary KL of each class by itself, T^2',
  compares: "each label by itself with the ensemble's, their sum",
  formula: 'T^2 sum KL(s(u / T) || s(z / T))',
  source: 'Hinton et al. 2015, for each label by itself',
  options: {},
  temperature: { default: 1 },
  on: 'answer',
  target: 'logits',
  over: 'samples',
  tasks: ['classes', 'multiLabel', 'sequence'],
  written: (_options, { square, at }) => `${square} x sum of binary KL(ensemble || student at ${at})`,
  compute: computeMultiLabel,
});

function computeMultiLabel({
  logits_BC,
  classes,
  target_BC,
  temperature,
  scale,
  gradient_BC,
}: TargetInput): LossValues {
  const values_B = new Float32Array(target_BC.length / classes);
  values_B.forEach((_, row) => {
    let sum = 0;
    for (let at = row * classes; at < (row + 1) * classes; at++) {
      const [z, u] = [(logits_BC[at] ?? 0) / temperature, (target_BC[at] ?? 0) / temperature];
      const p = Math.exp(logLogistic(u));
      sum += p * (logLogistic(u) - logLogistic(z)) + Math.exp(logLogistic(-u)) * (logLogistic(-u) - logLogistic(-z));
      gradient_BC[at] = (gradient_BC[at] ?? 0) + scale * temperature * (Math.exp(logLogistic(z)) - p);
    }
    values_B[row] = temperature * temperature * sum;
  });
  return { values_B, count: values_B.length };
}

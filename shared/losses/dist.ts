/**
 * DIST (Huang et al. 2022): relations instead of exact probabilities. Y = softmax(z / T), U = the ensemble's, [B x C];
 * r: Pearson's correlation, 0 where one side is constant.
 *
 *   value_b = T^2 (beta (1 - r(Y_b, U_b)) + gamma (1 - mean_c r(Y_:c, U_:c)))
 *
 * The class part is one value of the micro-batch, which each of its samples has.
 */
import { nonNegative } from '../numbers.js';
import { lossOnOutputs } from './loss.js';
import type { LossValues, TargetInput } from './math/inputs.js';
import { logSoftmaxRow, softmaxGradient } from './math/softmax.js';
import { pearson } from './math/vectors.js';

export const dist = lossOnOutputs({
  name: 'dist',
  description: 'DIST: T^2 x (beta x (1 - Pearson by sample) + gamma x (1 - Pearson by class))',
  compares: "the answer with the soft labels by Pearson's correlation r, over each sample and over each class",
  formula: 'T^2 (beta (1 - r by sample) + gamma (1 - r by class))',
  source: 'DIST, Huang et al. 2022',
  options: { beta: nonNegative.default(1), gamma: nonNegative.default(1) },
  temperature: { default: 1 },
  on: 'answer',
  target: 'mixture',
  over: 'samples',
  tasks: ['classes'],
  isAmongSamples: true,
  written: ({ beta, gamma }, { square, at }) =>
    `${square} x (${beta} x (1 - r by sample) + ${gamma} x (1 - r by class)) at ${at}`,
  usual: { weight: 2, crossEntropy: 1 },
  compute: computeDist,
});

function computeDist(
  { logits_BC, classes, target_BC, temperature, scale, gradient_BC }: TargetInput,
  { beta, gamma }: { readonly beta: number; readonly gamma: number },
): LossValues {
  const rows = target_BC.length / classes;
  const probabilities_BC = new Float64Array(rows * classes);
  for (let row = 0; row < rows; row++) {
    const own_C = probabilities_BC.subarray(row * classes, (row + 1) * classes);
    logSoftmaxRow(logits_BC, row, temperature, own_C);
    own_C.forEach((logQ, k) => (own_C[k] = Math.exp(logQ)));
  }
  const teacher_BC = Float64Array.from(target_BC, (logP) => Math.exp(logP));
  const slopes_BC = new Float64Array(rows * classes);
  const bySample_B = Float64Array.from({ length: rows }, (_, row) =>
    pearson({ x: probabilities_BC, y: teacher_BC, at: row * classes, stride: 1, length: classes }, -beta, slopes_BC),
  );
  let byClass = 0;
  for (let k = 0; k < classes; k++)
    byClass +=
      pearson(
        { x: probabilities_BC, y: teacher_BC, at: k, stride: classes, length: rows },
        (-gamma * rows) / classes,
        slopes_BC,
      ) / classes;
  softmaxGradient({ probabilities_BC, slopes_BC, classes, factor: scale * temperature }, gradient_BC);
  return {
    values_B: Float32Array.from(
      bySample_B,
      (r) => temperature * temperature * (beta * (1 - r) + gamma * (1 - byClass)),
    ),
    count: rows,
  };
}

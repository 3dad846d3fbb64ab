/**
 * Cross entropy with optional label smoothing e over K classes, for the labelled samples alone:
 *
 *   value = -sum_k t_k log q_k,  q = softmax(z),  t_k = (1 - e) [k = y] + e / K,  d value / dz = q - t
 *
 * As torch.nn.functional.cross_entropy has it. Szegedy et al. 2016.
 */
import { fraction } from '../numbers.js';
import { lossOnOutputs } from './loss.js';
import type { LossValues, OutputInput } from './math/inputs.js';
import { logSoftmaxRow } from './math/softmax.js';

export const crossEntropy = lossOnOutputs({
  name: 'crossEntropy',
  compares: 'the answer with the label',
  formula: '-log softmax(z)[y]',
  source: "PyTorch's `cross_entropy`; smoothing: Szegedy et al. 2016",
  options: { labelSmoothing: fraction.default(0) },
  on: 'answer',
  target: 'labels',
  over: 'labelled',
  tasks: ['classes', 'sequence'],
  compute: computeCrossEntropy,
});

/** [rows x classes] of logits against [rows] of labels, as the head of this file says. */
export function computeCrossEntropy(
  { logits_BC, classes, labels_B, scale, gradient_BC }: OutputInput,
  { labelSmoothing }: { readonly labelSmoothing: number },
): LossValues {
  const values_B = new Float32Array(labels_B.length);
  const logQ_C = new Float64Array(classes);
  const [onLabel, elsewhere] = [1 - labelSmoothing, labelSmoothing / classes];
  let count = 0;
  labels_B.forEach((label, row) => {
    if (label < 0) return;
    count++;
    logSoftmaxRow(logits_BC, row, 1, logQ_C);
    let value = 0;
    for (let k = 0; k < classes; k++) {
      const logQ = logQ_C[k] ?? 0;
      const target = elsewhere + (k === label ? onLabel : 0);
      if (target > 0) value -= target * logQ;
      const at = row * classes + k;
      gradient_BC[at] = (gradient_BC[at] ?? 0) + scale * (Math.exp(logQ) - target);
    }
    values_B[row] = value;
  });
  return { values_B, count };
}

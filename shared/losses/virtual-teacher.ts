/**
 * A teacher that was never trained (Tf-KD, Yuan et al. 2020): it gives the label's class the probability a and shares
 * the rest evenly. value = T^2 KL(p || softmax(z / T)), d/dz = T (q - p), for the labelled samples alone.
 */
import { z } from 'zod';
import { lossOnOutputs } from './loss.js';
import type { LossValues, OutputInput } from './math/inputs.js';
import { logSoftmaxRow } from './math/softmax.js';

export const virtualTeacher = lossOnOutputs({
  name: 'virtualTeacher',
  description: 'Tf-KD: a made-up teacher that gives the label this probability',
  compares: 'the answer with a made-up teacher that gives the label a probability and shares the rest evenly',
  formula: 'T^2 KL(p || q)',
  source: 'Tf-KD, Yuan et al. 2020',
  options: { probability: z.number().gt(0).lt(1).default(0.99) },
  temperature: { default: 20 },
  on: 'answer',
  target: 'labels',
  over: 'labelled',
  tasks: ['classes', 'sequence'],
  written: ({ probability }, { square, at }) =>
    `${square} x KL(label at ${probability}, else even || student at ${at})`,
  usual: { weight: 0.9, crossEntropy: 0.1 },
  compute: computeVirtualTeacher,
});

function computeVirtualTeacher(
  { logits_BC, classes, labels_B, temperature, scale, gradient_BC }: OutputInput,
  { probability }: { readonly probability: number },
): LossValues {
  const values_B = new Float32Array(labels_B.length);
  const logQ_C = new Float64Array(classes);
  const elsewhere = (1 - probability) / Math.max(1, classes - 1);
  const onLabel = classes > 1 ? probability : 1;
  let count = 0;
  labels_B.forEach((label, row) => {
    if (label < 0) return;
    count++;
    logSoftmaxRow(logits_BC, row, temperature, logQ_C);
    let divergence = 0;
    for (let k = 0; k < classes; k++) {
      const [p, logQ] = [k === label ? onLabel : elsewhere, logQ_C[k] ?? 0];
      divergence += p * (Math.log(p) - logQ);
      const at = row * classes + k;
      gradient_BC[at] = (gradient_BC[at] ?? 0) + scale * temperature * (Math.exp(logQ) - p);
    }
    values_B[row] = temperature * temperature * divergence;
  });
  return { values_B, count };
}

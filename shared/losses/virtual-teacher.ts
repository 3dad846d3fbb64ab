/**
 * A teacher that was never trained (Tf-KD, Yuan et al. 2020): it gives the label's class the probability a and shares
 * the rest evenly. value = T^2 KL(p || softmax(z / T)), d/dz = T (q - p), for the labelled samples alone.
 */
import { logSoftmaxRow } from './math/softmax.js';
import type { TermInput, TermValues } from './term.js';

export function virtualTeacher(
  { logits_BC, classes, scale, gradient_BC }: TermInput,
  labels_B: Int32Array,
  { probability, temperature }: { readonly probability: number; readonly temperature: number },
): TermValues {
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

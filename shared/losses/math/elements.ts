/** Losses that are a sum over the elements of a row's output and its target vector. Pure: arrays in, arrays out. */
import type { LossValues, TargetInput } from './inputs.js';

/** The value of one element and its slope by the output. */
export type Penalty = (z: number, target: number) => readonly [value: number, slope: number];

/** value = share x the sum of the row's penalties; for the rows that have a target vector. */
export function overElements(
  { logits_BC, classes, labels_B, target_BC, scale, gradient_BC }: TargetInput,
  share: number,
  penalty: Penalty,
): LossValues {
  const values_B = new Float32Array(labels_B.length);
  let count = 0;
  labels_B.forEach((label, row) => {
    if (label < 0) return;
    count++;
    let sum = 0;
    for (let at = row * classes; at < (row + 1) * classes; at++) {
      const [value, slope] = penalty(logits_BC[at] ?? 0, target_BC[at] ?? 0);
      sum += value;
      gradient_BC[at] = (gradient_BC[at] ?? 0) + scale * share * slope;
    }
    values_B[row] = share * sum;
  });
  return { values_B, count };
}

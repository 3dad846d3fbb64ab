/**
 * Losses between what the student gives, z, and the samples' target vectors, t, [B x C]; for the samples that have one.
 *
 *   mse       value = mean_k (z_k - t_k)^2                                            PyTorch's MSELoss
 *   l1        value = mean_k |z_k - t_k|, slope 0 at 0                                L1Loss
 *   huber     value = mean_k (e^2 / 2 for |e| <= delta, else delta (|e| - delta / 2)) HuberLoss (Huber 1964)
 *   binary    value = sum_k -(t_k log s(z_k) + (1 - t_k) log s(-z_k)), s the logistic function; t in [0, 1]
 *   cross entropy             BCEWithLogitsLoss, summed over the labels as the soft multi-label term is
 */
import { logLogistic } from './outputs.js';
import type { TermInput, TermValues } from './term.js';

export interface RegressionOptions {
  readonly distance: 'mse' | 'l1' | 'huber';
  readonly delta: number;
}

export interface TargetVectors {
  /** [rows]; below 0: the sample has no target. */
  readonly labels_B: Int32Array;
  /** [rows x classes] */
  readonly vectors_BC: Float32Array;
}

/** A value and its slope. */
type Penalty = (z: number, target: number) => readonly [number, number];

export function regression(
  input: TermInput,
  targets: TargetVectors,
  { distance, delta }: RegressionOptions,
): TermValues {
  return overElements(input, targets, 1 / input.classes, penalties[distance](delta));
}

export function binaryCrossEntropy(input: TermInput, targets: TargetVectors): TermValues {
  return overElements(input, targets, 1, (z, target) => [
    -(target * logLogistic(z) + (1 - target) * logLogistic(-z)),
    Math.exp(logLogistic(z)) - target,
  ]);
}

const penalties: Readonly<Record<RegressionOptions['distance'], (delta: number) => Penalty>> = {
  mse: () => (z, target) => [(z - target) ** 2, 2 * (z - target)],
  l1: () => (z, target) => [Math.abs(z - target), Math.sign(z - target)],
  huber: (delta) => (z, target) => {
    const off = z - target;
    return Math.abs(off) <= delta
      ? [(off * off) / 2, off]
      : [delta * (Math.abs(off) - delta / 2), delta * Math.sign(off)];
  },
};

/** The penalties' sum over a sample's elements, times `share`. */
function overElements(
  { logits_BC, classes, scale, gradient_BC }: TermInput,
  { labels_B, vectors_BC }: TargetVectors,
  share: number,
  penalty: Penalty,
): TermValues {
  const values_B = new Float32Array(labels_B.length);
  let count = 0;
  labels_B.forEach((label, row) => {
    if (label < 0) return;
    count++;
    let sum = 0;
    for (let at = row * classes; at < (row + 1) * classes; at++) {
      const [value, slope] = penalty(logits_BC[at] ?? 0, vectors_BC[at] ?? 0);
      sum += value;
      gradient_BC[at] = (gradient_BC[at] ?? 0) + scale * share * slope;
    }
    values_B[row] = share * sum;
  });
  return { values_B, count };
}

/** What a training micro-batch tells about soft labels beside its losses. Pure: arrays in, sums out. */
import { argMax } from '../../../shared/figures/classification.js';
import { imitationSums } from '../../../shared/figures/training-sums.js';
import type { Sums } from '../../../shared/replica/reduction/contribution.js';

export interface Imitation {
  /** The student's, [rows x classes]. */
  readonly logits_BC: Float32Array;
  /** The ensemble's log-probabilities, [rows x classes]. */
  readonly labels_BC: Float32Array;
  readonly classes: number;
  /** Rows of weight 0 are left out; absent: no row is. */
  readonly weights_B?: Float32Array | undefined;
}

/**
 * Compares the student with the ensemble's labels.
 *
 * @returns as sums: the rows on which both prefer the same class, the labels' entropies in nats, and the rows compared
 */
export function againstEnsemble({ logits_BC, labels_BC, classes, weights_B }: Imitation): Sums {
  let [agree, entropy, samples] = [0, 0, 0];
  const rows = labels_BC.length / classes;
  for (let row = 0; row < rows; row++) {
    if (weights_B?.[row] === 0) continue;
    samples++;
    if (argMax(logits_BC, row * classes, classes) === argMax(labels_BC, row * classes, classes)) agree++;
    for (let k = row * classes; k < (row + 1) * classes; k++) {
      const logProbability = labels_BC[k] ?? 0;
      // A probability of 0 adds nothing, since p log p goes to 0.
      if (logProbability > -Infinity) entropy -= Math.exp(logProbability) * logProbability;
    }
  }
  return imitationSums({ agree, entropy, samples });
}

/** The Euclidean norm of all parts together, in float64. */
export function norm(parts: Iterable<ArrayLike<number>>): number {
  let squares = 0;
  for (const values of parts) for (let i = 0; i < values.length; i++) squares += (values[i] ?? 0) ** 2;
  return Math.sqrt(squares);
}

/** What a training micro-batch tells about soft labels beside its losses. Pure: arrays in, sums out. */
import { argMax } from '../../../shared/figures/classification.js';

/**
 * `ensemble.agree`: rows on which student and ensemble prefer the same class; `ensemble.entropy`: sum of the labels'
 * entropies in nats; `ensemble.samples`: rows.
 * @param labels_BC log-probabilities, [rows x classes] @param weights_B rows of weight 0 are left out; absent: none
 */
export function againstEnsemble(
  logits_BC: Float32Array,
  labels_BC: Float32Array,
  classes: number,
  weights_B?: Float32Array,
): Record<string, number> {
  let [agree, entropy, counted] = [0, 0, 0];
  const rows = labels_BC.length / classes;
  for (let row = 0; row < rows; row++) {
    if (weights_B?.[row] === 0) continue;
    counted++;
    if (argMax(logits_BC, row * classes, classes) === argMax(labels_BC, row * classes, classes)) agree++;
    for (let k = row * classes; k < (row + 1) * classes; k++) {
      const logProbability = labels_BC[k] ?? 0;
      // 0 log 0 = 0
      if (logProbability > -Infinity) entropy -= Math.exp(logProbability) * logProbability;
    }
  }
  return { 'ensemble.agree': agree, 'ensemble.entropy': entropy, 'ensemble.samples': counted };
}

/** Euclidean norm, in float64. */
export function norm(parts: Iterable<ArrayLike<number>>): number {
  let squares = 0;
  for (const values of parts) for (let i = 0; i < values.length; i++) squares += (values[i] ?? 0) ** 2;
  return Math.sqrt(squares);
}

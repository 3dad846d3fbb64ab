/** Whether what a teacher gives looks like what its recipe says that it gives. Pure. */
import type { TeacherSpec } from '../../../shared/protocol/messages.js';

/**
 * What is odd about a teacher's output, in words; null for nothing.
 *
 * @param output what the recipe says of it
 * @param raw_BC [rows x classes], as the model gives it
 */
export function outputObjection(output: TeacherSpec['output'], raw_BC: Float32Array, classes: number): string | null {
  if (!raw_BC.every(Number.isFinite)) return 'its output is not finite';
  if (output === 'independent')
    return raw_BC.every((value) => value >= 0 && value <= 1)
      ? null
      : 'its outputs are not all from 0 to 1, so it gives no probabilities; remove "output: probabilities" from the recipe';
  const looksLikeProbabilities =
    raw_BC.every((value) => value >= 0) && rowSums(raw_BC, classes).every((sum) => Math.abs(sum - 1) < 1e-3);
  if (output === 'logits' && looksLikeProbabilities)
    return 'its rows sum to 1, so it gives probabilities; if it does, add "output: probabilities" to the recipe';
  if (output === 'probabilities' && !looksLikeProbabilities)
    return 'its rows do not sum to 1, so it gives no probabilities; remove "output: probabilities" from the recipe';
  return null;
}

function rowSums(values_BC: Float32Array, classes: number): number[] {
  return Array.from({ length: values_BC.length / classes }, (_, row) =>
    values_BC.subarray(row * classes, (row + 1) * classes).reduce((a, b) => a + b, 0),
  );
}

/** Teachers of two classes that give one number of each sample, as binary classifiers do: what it says of both. Pure. */
import type { TeacherSpec } from '../../../shared/protocol/messages.js';

/**
 * Logits 0 and z, whose softmax is what a sigmoid of z says; or probabilities 1 - p and p.
 *
 * @param values [rows], of the second class
 * @returns [rows x 2]
 */
export function bothClasses(values: Float32Array, output: TeacherSpec['output']): Float32Array {
  const both = new Float32Array(2 * values.length);
  values.forEach((value, row) => {
    both[2 * row] = output === 'logits' ? 0 : 1 - value;
    both[2 * row + 1] = value;
  });
  return both;
}

/** What is odd about the numbers of such a teacher, in words; null for nothing. */
export function binaryObjection(values: Float32Array, output: TeacherSpec['output']): string | null {
  if (!values.every(Number.isFinite)) return 'its output is not finite';
  const looksLikeProbabilities = values.every((value) => value >= 0 && value <= 1);
  if (output === 'logits' && looksLikeProbabilities)
    return 'its numbers are all from 0 to 1, so it gives probabilities; if it does, add "output: probabilities" to the recipe';
  if (output === 'probabilities' && !looksLikeProbabilities)
    return 'its numbers are not all from 0 to 1, so it gives no probabilities; remove "output: probabilities" from the recipe';
  return null;
}

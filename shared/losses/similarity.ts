/**
 * Similarity-preserving distillation (SP, Tung and Mori 2019), on how alike the samples of a micro-batch are:
 *
 *   value = |G_s' - G_t'|^2 / B^2,  G = X X^T of the samples as vectors, G': its rows normalised
 *
 * The value belongs to the micro-batch: every sample has it.
 */
import { lossOnPairs } from './loss.js';
import type { LossValues, PairInput } from './math/inputs.js';
import {
  gramOf,
  meanSquareOff,
  normalised,
  perSample,
  throughGram,
  throughNorm,
  vectorsOf,
  type SampleVectors,
} from './math/relations.js';

export const similarity = lossOnPairs({
  name: 'similarity',
  description: 'similarity preserving',
  compares: 'how alike the samples of a micro-batch are to the student and to a teacher',
  formula: "|G_s' - G_t'|^2 / B^2, G' = X X^T with rows of norm 1",
  source: 'Tung and Mori 2019',
  options: {},
  sides: 'any',
  over: 'samples',
  tasks: ['classes', 'regression', 'multiLabel'],
  isAmongSamples: true,
  usual: { weight: 3000, crossEntropy: 1, taps: 'maps' },
  compute: computeSimilarity,
});

function computeSimilarity({ student, teacher, rows, scale, gradient }: PairInput): LossValues {
  const x = vectorsOf(student, rows);
  const likenessOf = (vectors: SampleVectors): ReturnType<typeof normalised> =>
    normalised({ rows, length: rows, values: gramOf(vectors) });
  const [own, other] = [likenessOf(x), likenessOf(vectorsOf(teacher, rows))];
  const { value, slopes } = meanSquareOff(own.values, other.values);
  const gramSlopes = new Float64Array(rows * rows);
  throughNorm({ slopes, factor: 1 }, own, gramSlopes);
  throughGram({ slopes: gramSlopes, factor: scale * rows }, x, gradient);
  return perSample(rows, value);
}

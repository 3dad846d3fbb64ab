/**
 * Correlation congruence (CC, Peng et al. 2019), on a Gaussian kernel of the samples of a micro-batch, g = 0.4:
 *
 *   value = mean (exp(-2 g (1 - cos_s)) - exp(-2 g (1 - cos_t)))^2 over all pairs of samples
 *
 * The value belongs to the micro-batch: every sample has it.
 */
import { lossOnPairs } from './loss.js';
import type { LossValues, PairInput } from './math/inputs.js';
import { meanSquareOff, onCosines } from './math/relations.js';

export const correlation = lossOnPairs({
  name: 'correlation',
  description: 'correlation congruence',
  compares: "a kernel of the samples of a micro-batch, of the student's vectors and of a teacher's",
  formula: 'mean (k(cos_s) - k(cos_t))^2, k(c) = exp(-0.8 (1 - c))',
  source: 'Peng et al. 2019',
  options: {},
  sides: 'any',
  over: 'samples',
  tasks: ['classes', 'regression', 'multiLabel'],
  isAmongSamples: true,
  usual: { weight: 0.02, crossEntropy: 1, taps: 'logits' },
  compute: computeCorrelation,
});

const gamma = 0.4;

function computeCorrelation(input: PairInput): LossValues {
  return onCosines(input, (cos_s, cos_t) => {
    const kernelOf = (cosines: Float64Array): Float64Array => cosines.map((cos) => Math.exp(-2 * gamma * (1 - cos)));
    const [own, other] = [kernelOf(cos_s), kernelOf(cos_t)];
    const { value, slopes } = meanSquareOff(own, other);
    return { value, slopes: slopes.map((slope, i) => slope * 2 * gamma * (own[i] ?? 0)) };
  });
}

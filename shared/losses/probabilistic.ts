/**
 * Probabilistic knowledge transfer (PKT, Passalis and Tefas 2018), on the neighbours of the samples of a micro-batch:
 *
 *   value = mean_i KL(p_i || q_i),  p and q: rows of (1 + cos) / 2 between the samples, over their sums
 *
 * The value belongs to the micro-batch: every sample has it.
 */
import { lossOnPairs } from './loss.js';
import type { LossValues, PairInput } from './math/inputs.js';
import { onCosines } from './math/relations.js';

export const probabilistic = lossOnPairs({
  name: 'probabilistic',
  description: 'PKT',
  compares: 'which samples of a micro-batch are neighbours to the student and to a teacher, as probabilities',
  formula: 'mean KL(p_i || q_i), rows of (1 + cos) / 2 over their sums',
  source: 'PKT, Passalis and Tefas 2018',
  options: {},
  sides: 'any',
  over: 'samples',
  tasks: ['classes', 'regression', 'multiLabel'],
  isAmongSamples: true,
  usual: { weight: 30000, crossEntropy: 1, taps: 'vectors' },
  compute: computeProbabilistic,
});

function computeProbabilistic(input: PairInput): LossValues {
  return onCosines(input, (cos_s, cos_t, rows) => {
    const [q, p] = [likeness(cos_s, rows), likeness(cos_t, rows)];
    const slopes = new Float64Array(rows * rows);
    let value = 0;
    for (let at = 0; at < slopes.length; at++) {
      const [logP, logQ] = [
        Math.log(p.kernel[at] ?? 1) - Math.log(p.sums[Math.floor(at / rows)] ?? 1),
        Math.log(q.kernel[at] ?? 1) - Math.log(q.sums[Math.floor(at / rows)] ?? 1),
      ];
      value += (Math.exp(logP) * (logP - logQ)) / rows;
      // d/dK_ij of -sum_j p_ij log(K_ij / sum_k K_ik), and K = (1 + cos) / 2
      if ((q.kernel[at] ?? 0) > smallestLikeness)
        slopes[at] = (0.5 * (1 / (q.sums[Math.floor(at / rows)] ?? 1) - Math.exp(logP) / (q.kernel[at] ?? 1))) / rows;
    }
    return { value, slopes };
  });
}

/** No two samples count as less alike than this, so that the logarithm is finite. */
const smallestLikeness = 1e-7;

function likeness(cosines: Float64Array, rows: number): { kernel: Float64Array; sums: Float64Array } {
  const kernel = cosines.map((cos) => Math.max((1 + cos) / 2, smallestLikeness));
  return {
    kernel,
    sums: Float64Array.from({ length: rows }, (_, i) =>
      kernel.subarray(i * rows, (i + 1) * rows).reduce((a, b) => a + b, 0),
    ),
  };
}

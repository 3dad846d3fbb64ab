import { describe, expect, it } from 'vitest';
import {
  gradientNormSums,
  gradientShares,
  imitationOf,
  imitationSums,
  splitTerms,
  termMeans,
  termSums,
  trainingAccuracy,
  trainingHitSums,
} from '../../../shared/figures/training-sums.js';

const sums = {
  samples: 4,
  ...termSums('crossEntropy', 6, 3),
  ...termSums('plugins.own', 0, 0),
  ...trainingHitSums({ labelled: 3, correct: 2 }),
  ...imitationSums({ agree: 1, entropy: 2, samples: 4 }),
  ...gradientNormSums([
    ['crossEntropy', 3],
    ['plugins.own', 1],
  ]),
};

describe("a step's sums", () => {
  it('travel under these names', () => {
    expect(sums).toEqual({
      samples: 4,
      crossEntropy: 6,
      'crossEntropy.count': 3,
      'plugins.own': 0,
      'plugins.own.count': 0,
      labelled: 3,
      correct: 2,
      'ensemble.agree': 1,
      'ensemble.entropy': 2,
      'ensemble.samples': 4,
      'gradient.crossEntropy': 3,
      'gradient.plugins.own': 1,
    });
  });

  it('are split into those of the terms, their counts and the others, and have their means', () => {
    const { loss, counts, sums: others } = splitTerms(sums, ['crossEntropy', 'plugins.own', 'response']);
    expect([loss, counts]).toEqual([
      { crossEntropy: 6, 'plugins.own': 0 },
      { crossEntropy: 3, 'plugins.own': 0 },
    ]);
    expect(Object.keys(others)).toEqual(Object.keys(sums).filter((name) => !/^(crossEntropy|plugins)/.test(name)));
    expect(termMeans({ loss, counts })).toEqual({ crossEntropy: 2, 'plugins.own': 0 });
    expect(() => termMeans({ loss, counts: {} })).toThrow('the loss term crossEntropy has a sum and no count');
  });

  it('give accuracy, likeness to the ensemble and gradient shares', () => {
    expect(trainingAccuracy(sums)).toBe(2 / 3);
    expect(imitationOf(sums)).toEqual({ agreement: 0.25, entropy: 0.5 });
    expect(gradientShares(sums)).toEqual({ crossEntropy: 0.75, 'plugins.own': 0.25 });
  });

  it('give none of them where nothing was counted', () => {
    expect([trainingAccuracy({ labelled: 0, correct: 0 }), trainingAccuracy({}), imitationOf({})]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(gradientShares(gradientNormSums([['crossEntropy', 3]]))).toBeUndefined();
  });
});

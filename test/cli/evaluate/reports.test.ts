/** What `eval` reports of target vectors and of sequences, by numbers worked out by hand. */
import { describe, expect, it } from 'vitest';
import { evaluationText } from '../../../cli/evaluate/evaluate.js';
import { withTargets } from '../../../cli/evaluate/judged-rows.js';
import { multiLabelReport } from '../../../cli/evaluate/multi-label-report.js';
import { regressionReport } from '../../../cli/evaluate/regression-report.js';
import { sequenceReport } from '../../../cli/evaluate/sequence-report.js';
import { multiLabelSums } from '../../../shared/figures/multi-label.js';
import type { JudgedVectors } from '../../../shared/figures/vectors.js';

const judgedOf = (outputs: number[], vectors: number[], labels: number[], width: number): JudgedVectors => ({
  outputs: Float32Array.from(outputs),
  vectors: Float32Array.from(vectors),
  labels: Int32Array.from(labels),
  width,
});
const none = { teacher: null, against: null };

describe('regression', () => {
  // Errors 1, -1; (no target); 0, 2: mean squares 1 and 2, mean absolutes 1 and 1.
  const judged = judgedOf([1, 2, 99, 99, 3, 6], [0, 3, 0, 0, 3, 4], [0, -1, 0], 2);

  it('reports the share of the variance that is explained, together and of each number', () => {
    const report = regressionReport(withTargets(judged), none);
    expect(report).toMatchObject({ samples: 2, mse: 1.5, mae: 1, r2: 1 - 3 / 2.5 });
    expect(report.perNumber).toEqual([
      { r2: 1 - 1 / 4.5, mse: 0.5, mae: 0.5 },
      { r2: 1 - 5 / 0.5, mse: 2.5, mae: 1.5 },
    ]);
    expect(regressionReport(withTargets({ ...judged, outputs: judged.vectors }), none)).toMatchObject({
      r2: 1,
      mse: 0,
    });
    expect(regressionReport(withTargets(judgedOf([1], [2], [0], 1)), none).r2).toBeNull();
  });

  it('compares the errors of two models sample by sample', () => {
    const { agreement, against } = regressionReport(withTargets(judged), {
      teacher: Float32Array.of(1, 2, 3, 6),
      against: Float32Array.of(2, 3, 3, 4),
    });
    expect(agreement).toBe(1);
    // The other's mean squares are 2 and 0: differences -1 and 2.
    expect(against?.mean).toBe(0.5);
    expect(
      evaluationText(
        'm',
        regressionReport(withTargets(judged), { teacher: null, against: Float32Array.of(2, 3, 3, 4) }),
        ['x', 'y'],
      ),
    ).toMatch(
      /m: 2 samples\nR2 -0\.2000 {3}MSE 1\.500 {3}MAE 1\.000\nagainst the other model: mean squared error \+0\.5000, .*\nx: R2 0\.7778/,
    );
  });
});

describe('sequences', () => {
  const labels = Int32Array.of(0, 1, 1, -1, -1, -1);
  const logits = Float32Array.of(1, 0, /**/ 1, 0, /**/ 0, 1, /**/ 9, 9, /**/ 9, 9, /**/ 9, 9);
  const right = Float32Array.of(1, 0, 0, 1, 0, 1, 9, 0, 9, 0, 9, 0);

  it('are reported by position and as a whole', () => {
    const report = sequenceReport({ logits, labels, positions: 2, classes: 2 }, { teacher: right, against: right });
    expect(report).toMatchObject({
      positions: 3,
      sequences: 2,
      accuracy: 2 / 3,
      exactMatch: 0.5,
      agreement: 2 / 3,
      against: { onlyFirst: 0, onlySecond: 1, p: 1 },
      confusion: [
        [1, 0],
        [1, 1],
      ],
    });
    expect(evaluationText('m', report, ['out', 'in'])).toMatch(
      /^m: 3 positions of 2 sequences\ntoken accuracy 66\.67 % {3}exact match 50\.00 % \(95 %: .*\nagreement .*\nagainst .*\nout: 100\.00 % of 1\nin: 50\.00 % of 2$/,
    );
  });
});

describe('several labels', () => {
  // Told: 1 0 1 | 0 1 0 | 0 0 0; there: 1 0 0 | 0 1 0 | 1 1 0 (and a row without).
  const judged = judgedOf(
    [2, -1, 0, /**/ -1, 1, -3, /**/ 9, 9, 9, /**/ -1, -2, -1],
    [1, 0, 0, /**/ 0, 1, 0, /**/ 1, 1, 1, /**/ 1, 1, 0],
    [0, 0, -1, 0],
    3,
  );

  it('are those of the rows that have a target', () => {
    const { outputs, vectors } = withTargets(judged);
    const logistic = (z: number): number => 1 / (1 + Math.exp(-z));
    const entropy = [...outputs].reduce(
      (sum, z, i) => sum - Math.log(vectors[i] === 1 ? logistic(z) : logistic(-z)),
      0,
    );
    expect(multiLabelSums(judged).loss).toBeCloseTo(entropy, 6);
  });

  it('are reported together and each by itself', () => {
    const report = multiLabelReport(withTargets(judged), {
      teacher: Float32Array.from(withTargets(judged).outputs, (z) => -z - 0.5),
      against: Float32Array.of(1, -1, -1, 1, 1, 1, 1, 1, -1),
    });
    expect(report).toMatchObject({ samples: 3, microF1: 4 / 7, exactMatch: 1 / 3, agreement: 0 });
    expect(report.macroF1).toBeCloseTo((2 / 3 + 2 / 3 + 0) / 3, 12);
    // Label 0: scores 2, -1 and -1 of rows that have it, have it not, have it; the two equal ones are one step: (1 +
    // 2/3) / 2.
    expect(report.perLabel[0]).toMatchObject({ samples: 2, accuracy: 2 / 3, f1: 2 / 3 });
    expect(report.perLabel[0]?.averagePrecision).toBeCloseTo((1 + 2 / 3) / 2, 12);
    expect(report.perLabel[2]?.averagePrecision).toBeNull();
    expect(report.against).toMatchObject({ onlyFirst: 1, onlySecond: 2, p: 1 });
    expect(evaluationText('m', report, ['even', 'prime'])).toContain('prime: F1 66.67 %   accuracy 66.67 %');
  });
});

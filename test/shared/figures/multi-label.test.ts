import { describe, expect, it } from 'vitest';
import {
  alike,
  f1,
  labelCounts,
  multiLabelFigures,
  multiLabelSums,
  skillOf,
} from '../../../shared/figures/multi-label.js';

describe('several labels', () => {
  // Predicted: 1 0 1 | 0 1 0 | 0 0 0; there: 1 0 0 | 0 1 0 | 1 1 0 (and a row without).
  const judged = {
    outputs: Float32Array.of(2, -1, 0, /**/ -1, 1, -3, /**/ 9, 9, 9, /**/ -1, -2, -1),
    vectors: Float32Array.of(1, 0, 0, /**/ 0, 1, 0, /**/ 1, 1, 1, /**/ 1, 1, 0),
    labels: Int32Array.of(0, 0, -1, 0),
    width: 3,
  };

  it('are predicted at a logit of 0, over the rows that have a target', () => {
    const { hits, predicted, actual, exact, right } = multiLabelSums(judged);
    expect([hits, predicted, actual, exact]).toEqual([2, 3, 4, 1]);
    expect(right).toBeCloseTo(2 / 3 + 1 + 1 / 3, 12);
    expect(labelCounts(judged)).toEqual([
      { hits: 1, predicted: 1, actual: 2 },
      { hits: 1, predicted: 1, actual: 2 },
      { hits: 0, predicted: 1, actual: 0 },
    ]);
  });

  it('have a cross entropy that is exact for logits that overflow a plain exponential', () => {
    const far = { outputs: Float32Array.of(1e4, -1e4), vectors: Float32Array.of(0, 1), labels: Int32Array.of(0) };
    expect(multiLabelSums({ ...far, width: 2 }).loss).toBe(2e4);
  });

  it('have the harmonic mean of precision and recall, 1 where there is nothing to predict', () => {
    // Precision 2/3, recall 2/4.
    expect(f1({ hits: 2, predicted: 3, actual: 4 })).toBeCloseTo(2 / (3 / 2 + 4 / 2), 12);
    expect(f1({ hits: 0, predicted: 0, actual: 0 })).toBe(1);
  });

  it('show no skill of a model that predicts the same for every sample, and all of one that knows', () => {
    const frequencies = [2 / 3, 2 / 3, 0];
    const constant = { ...judged, outputs: Float32Array.from({ length: 12 }, (_, i) => (i % 3 === 2 ? -1 : 1)) };
    expect(skillOf(constant, frequencies).skill).toBeCloseTo(0, 12);
    // Rows (1/3), (1/3), (1/3 + 1/3).
    const known = skillOf({ ...judged, outputs: judged.vectors.map((value) => value - 0.5) }, frequencies);
    expect(known.skill).toBeCloseTo(4 / 3, 12);
    expect(known.skillSquares).toBeCloseTo(1 / 9 + 1 / 9 + 4 / 9, 12);
  });

  it('judge a teacher by the samples that it labels alone', () => {
    const truth = { ...judged, rows: 4, positions: 1, means: [2 / 3, 2 / 3, 0] };
    const { outputs } = judged;
    const routes = [['a'], ['a', 'b'], ['c'], ['b']];
    const teachers = new Map(['a', 'b', 'c'].map((name) => [name, outputs]));
    const sums = multiLabelFigures.teacherSums(truth, { teachers, ensemble: outputs, specialties: new Map(), routes });
    expect(sums).toMatchObject({ samples: 3, 'teacher.a.samples': 2, 'teacher.b.samples': 2, 'teacher.c.samples': 0 });
    const [a, b, c] = ['a', 'b', 'c'].map((teacher) => multiLabelFigures.figuresOf(sums, { teacher }));
    expect(a).toEqual({ microF1: 4 / 5, exactMatch: 1 / 2, labelAccuracy: expect.closeTo(5 / 6, 12) as number });
    expect(b).toEqual({ microF1: 2 / 4, exactMatch: 1 / 2, labelAccuracy: expect.closeTo(2 / 3, 12) as number });
    expect(c).toEqual({});
    expect(multiLabelFigures.isGuessing(sums, 'c', 3)).toBe(false);
  });

  it('agree by label', () => {
    expect(alike(Float32Array.of(1, -1, 0, -5), Float32Array.of(2, 1, 0, -1))).toBe(0.75);
  });
});

import { describe, expect, it } from 'vitest';
import { agreement, classifierReport, crossEntropySum, hitsOf } from '../../../shared/figures/classification.js';

const rows = (...values: number[][]): Float32Array => Float32Array.from(values.flat());

describe('classifierReport', () => {
  const logits = rows([2, 1, 0], [0, 3, 1], [1, 0, 5], [4, 0, 0]);
  const report = classifierReport(logits, Int32Array.from([0, 1, 1, -1]), 3);

  it('leaves out samples without a label', () => {
    expect(report.samples).toBe(3);
  });
  it('counts right answers and fills the confusion matrix by label and prediction', () => {
    expect(report.accuracy).toBeCloseTo(2 / 3, 12);
    expect(report.confusion).toEqual([
      [1, 0, 0],
      [0, 1, 1],
      [0, 0, 0],
    ]);
  });
  it('is the mean of -log softmax at the label', () => {
    const ce = (row: number[], y: number): number =>
      Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - (row[y] ?? 0);
    expect(report.loss).toBeCloseTo((ce([2, 1, 0], 0) + ce([0, 3, 1], 1) + ce([1, 0, 5], 1)) / 3, 6);
  });
  it('stays finite for logits of 1e4', () => {
    const huge = classifierReport(rows([1e4, -1e4], [-1e4, 1e4]), Int32Array.from([0, 0]), 2);
    expect(huge.loss).toBeCloseTo(1e4, 3);
    expect(huge.accuracy).toBe(0.5);
  });
  it('counts the five largest logits as top 5', () => {
    const six = rows([6, 5, 4, 3, 2, 1], [6, 5, 4, 3, 2, 1]);
    expect(classifierReport(six, Int32Array.from([4, 5]), 6).top5).toBe(0.5);
  });
  it('measures calibration as the gap between confidence and accuracy', () => {
    // Two answers of confidence 0.8, one right: the bin's gap is |0.8 - 0.5|.
    const z = Math.log(4);
    expect(classifierReport(rows([z, 0], [z, 0]), Int32Array.from([0, 1]), 2).calibrationError).toBeCloseTo(0.3, 6);
  });
});

describe('hits and the cross entropy', () => {
  it('are of labelled rows alone', () => {
    const logits = Float32Array.from([2, 0, 1, /**/ 0, 0, 3, /**/ 9, 9, 9, /**/ 0, 1, 0]);
    const labels = Int32Array.from([0, 1, -1, 1]);
    expect(hitsOf(logits, labels, 3)).toEqual({ labelled: 3, correct: 2 });
    const first = Math.log(Math.exp(2) + 1 + Math.E) - 2;
    const second = Math.log(2 + Math.exp(3));
    const third = Math.log(2 + Math.E) - 1;
    expect(crossEntropySum(logits, labels, 3)).toBeCloseTo(first + second + third, 12);
  });

  it('are exact for logits that overflow a plain exponential', () => {
    const [logits, labels] = [Float32Array.from([1000, 0]), Int32Array.from([1])];
    expect(hitsOf(logits, labels, 2)).toEqual({ labelled: 1, correct: 0 });
    expect(crossEntropySum(logits, labels, 2)).toBe(1000);
  });
});

describe('agreement', () => {
  it('is the share of equal predictions', () => {
    expect(agreement(rows([1, 0], [0, 1]), rows([3, 2], [3, 2]), 2)).toBe(0.5);
  });
});

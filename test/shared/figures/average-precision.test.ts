import { describe, expect, it } from 'vitest';
import { averagePrecision } from '../../../shared/figures/average-precision.js';

describe('the average precision', () => {
  it('is of a ranking, in which equal scores are one step', () => {
    expect(averagePrecision([4, 3, 2, 1], [true, false, true, false])).toBeCloseTo((1 + 2 / 3) / 2, 12);
    expect(averagePrecision([1, 1, 1, 1], [true, false, false, false])).toBe(0.25);
  });

  it('is none where the label applies to no sample, and ends where scores are no numbers', () => {
    expect(averagePrecision([2, 1], [false, false])).toBeNull();
    expect(averagePrecision([NaN, NaN], [true, true])).toBe(1);
  });
});

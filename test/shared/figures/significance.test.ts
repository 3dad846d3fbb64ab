import { describe, expect, it } from 'vitest';
import { compareOnSamples, exactMcNemar } from '../../../shared/figures/significance.js';

describe('exactMcNemar', () => {
  it('is twice the binomial tail', () => {
    expect(exactMcNemar(1, 9)).toBeCloseTo((2 * (1 + 10)) / 1024, 12);
    expect(exactMcNemar(9, 1)).toBeCloseTo((2 * (1 + 10)) / 1024, 12);
  });
  it('is 1 for an even split and for models that never differ', () => {
    expect(exactMcNemar(5, 5)).toBe(1);
    expect(exactMcNemar(0, 0)).toBe(1);
  });
  it('holds for counts whose powers of two have no float', () => {
    // Normal approximation with continuity correction: z = (|2600 - 2400| - 1) / sqrt(5000).
    expect(exactMcNemar(2400, 2600)).toBeCloseTo(0.00489, 4);
  });
});

describe('compareOnSamples', () => {
  it('counts the labelled samples that one model alone gets right', () => {
    const first = Float32Array.from([1, 0, 1, 0, 0, 1, 1, 0]);
    const second = Float32Array.from([1, 0, 0, 1, 1, 0, 0, 1]);
    expect(compareOnSamples(first, second, Int32Array.from([0, 0, 1, -1]), 2)).toEqual({
      onlyFirst: 2,
      onlySecond: 0,
      difference: 2 / 3,
      p: 0.5,
    });
  });
});

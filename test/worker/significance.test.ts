import { describe, expect, it } from 'vitest';
import { compareOnSamples, exactMcNemar, wilsonInterval } from '../../worker/significance.js';

describe('wilsonInterval', () => {
  it('has the textbook bounds for 81 of 263 (Newcombe 1998)', () => {
    const { low, high } = wilsonInterval(81, 263);
    expect(low).toBeCloseTo(0.2553, 4);
    expect(high).toBeCloseTo(0.3662, 4);
  });
  it('stays within 0 and 1, and never has no width', () => {
    expect(wilsonInterval(0, 20)).toEqual({ low: 0, high: expect.closeTo(0.1611, 4) });
    expect(wilsonInterval(20, 20)).toEqual({ low: expect.closeTo(0.8389, 4), high: 1 });
  });
  it('says nothing of no samples', () => {
    expect(wilsonInterval(0, 0)).toEqual({ low: 0, high: 1 });
  });
});

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
    expect(compareOnSamples(first, second, Int32Array.from([0, 0, 1, -1]), 2)).toEqual({ onlyFirst: 2, onlySecond: 0, difference: 2 / 3, p: 0.5 });
  });
});

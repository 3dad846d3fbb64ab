/** Against figures of the published tables of Student's distribution, and a paired test worked out by hand. */
import { describe, expect, it } from 'vitest';
import { pairedDifference, spreadOf, tQuantile, wilsonInterval, withinT } from '../../../shared/figures/statistics.js';

describe("Student's t distribution", () => {
  it.each([
    [1, 12.706],
    [2, 4.303],
    [3, 3.182],
    [4, 2.776],
    [5, 2.571],
    [9, 2.262],
    [10, 2.228],
    [30, 2.042],
    [120, 1.98],
  ])('has, for %i degrees, 95 %% within %d', (degrees, t) => {
    expect(tQuantile(0.95, degrees)).toBeCloseTo(t, 3);
    expect(withinT(t, degrees)).toBeCloseTo(0.95, 4);
  });

  it('has nothing within 0 and, far out, all', () => {
    for (const degrees of [1, 2, 3, 4])
      expect([withinT(0, degrees), withinT(1e9, degrees)]).toEqual([0, expect.closeTo(1, 6)]);
  });
});

describe('a paired difference', () => {
  it('is of the pairs, with an interval and a p-value', () => {
    // Differences 1, 2, 3, 6: mean 3, deviation sqrt(14 / 3), error 1.0801; t = 2.7775 with 3 degrees.
    const found = pairedDifference([10, 20, 30, 40], [11, 22, 33, 46]);
    expect(found.mean).toBe(3);
    expect(found.deviation).toBeCloseTo(Math.sqrt(14 / 3), 12);
    expect(found.interval?.low).toBeCloseTo(3 - 3.18245 * 1.08012, 3);
    expect(found.interval?.high).toBeCloseTo(3 + 3.18245 * 1.08012, 3);
    expect(found.p).toBeCloseTo(0.0691, 3);
  });

  it('of one pair says nothing of chance; of equal pairs, that there is none', () => {
    expect(pairedDifference([1], [3])).toEqual({ mean: 2, deviation: null, interval: null, p: null });
    expect(pairedDifference([1, 2], [1, 2])).toEqual({ mean: 0, deviation: 0, interval: { low: 0, high: 0 }, p: 1 });
  });
});

describe('a spread', () => {
  it('has the deviation of a sample', () => {
    expect(spreadOf([1, 2, 3, 4])).toEqual({ mean: 2.5, deviation: Math.sqrt(5 / 3) });
  });
});

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

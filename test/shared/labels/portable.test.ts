import { describe, expect, it } from 'vitest';
import { expOfMinus, naturalLog } from '../../../shared/labels/portable.js';

/** Numbers over many orders of magnitude. */
const numbers = Array.from({ length: 4000 }, (_, i) => 1.37 ** (i / 20 - 100) * (1 + (i % 7) / 10));

describe('portable arithmetic', () => {
  it('has exponentials as Math.exp has them', () => {
    for (const x of [0, Math.LN2, ...numbers.filter((n) => n < 700)])
      expect(Math.abs(expOfMinus(x) / Math.exp(-x) - 1)).toBeLessThan(1e-15);
    expect([expOfMinus(746), expOfMinus(Infinity), expOfMinus(-1), expOfMinus(NaN)]).toEqual([0, 0, NaN, NaN]);
  });

  it('has logarithms as Math.log has them', () => {
    for (const x of [2 ** -1000, 1, Math.SQRT2, Math.E, ...numbers])
      expect(Math.abs(naturalLog(x) - Math.log(x))).toBeLessThanOrEqual(4e-16 * Math.max(1, Math.abs(Math.log(x))));
    expect(naturalLog(1)).toBe(0);
  });
});

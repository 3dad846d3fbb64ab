import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { power } from '../../../worker/compute/power.js';

describe('power', () => {
  it('is x ** y to float64, for all that a stream draws and any exponent of a mixture', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 24 - 1 }), fc.double({ min: 0.25, max: 20, noNaN: true }), (n, y) => {
        const x = n / 2 ** 24;
        expect(Math.abs(power(x, y) / x ** y - 1)).toBeLessThan(1e-15 * (2 + y * Math.abs(Math.log(x))));
      }),
      { numRuns: 2000 },
    );
  });

  it('is exact at both ends', () => {
    expect([power(0, 3), power(1, 0.3), power(0.5, 2), power(0.25, 20)]).toEqual([0, 1, 0.25, 2 ** -40]);
  });

  it('keeps its bits: seeds name mixtures for ever', () => {
    const bits = (value: number): string => Buffer.from(Float64Array.of(value).buffer).toString('hex');
    expect([power(0.3, 2.5), power(0.7, 1 / 3), power(1 / 2 ** 24, 20), power(0.999, 0.25)].map(bits)).toEqual([
      '2bfceabc323da93f',
      '9a1a2fa7b569ec3f',
      '000000000000f021',
      '7135e983f3fdef3f',
    ]);
  });
});

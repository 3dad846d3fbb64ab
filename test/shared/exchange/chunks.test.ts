import fc from 'fast-check';
import { expect, it } from 'vitest';
import { split } from '../../../shared/exchange/chunks.js';

it('a payload is cut into pieces of at most the cap, which cover every byte once, in order', () => {
  fc.assert(
    fc.property(fc.nat(5000), fc.integer({ min: 1, max: 700 }), (total, cap) => {
      let next = 0;
      for (const [i, { index, offset, length }] of split(total, cap).entries()) {
        expect([index, offset]).toEqual([i, next]);
        expect(length).toBeGreaterThan(0);
        expect(length).toBeLessThanOrEqual(cap);
        next += length;
      }
      expect(next).toBe(total);
    }),
  );
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countAtMost, lastAtMost } from '../../shared/search.js';

describe('lastAtMost', () => {
  it('finds what a search from the end finds, and 0 where no element is so small', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -9, max: 9 })), fc.integer({ min: -12, max: 12 }), (values, value) => {
        const ascending = Int32Array.from(values).sort();
        expect(lastAtMost(ascending, value)).toBe(
          Math.max(
            0,
            ascending.findLastIndex((one) => one <= value),
          ),
        );
      }),
    );
  });
});

describe('countAtMost', () => {
  it('counts what going through the list counts', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -9, max: 9 })), fc.integer({ min: -12, max: 12 }), (values, value) => {
        const ascending = values.sort((a, b) => a - b);
        expect(countAtMost(ascending, value)).toBe(values.filter((one) => one <= value).length);
      }),
    );
  });
});

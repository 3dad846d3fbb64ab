import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  blockRange,
  childrenOf,
  covers,
  isEmpty,
  microBatchCount,
  microBatchRange,
  parentOf,
  rootOf,
  siblingOf,
} from '../../../../shared/replica/reduction/tree.js';

describe('micro-batches', () => {
  it('cover the global batch once, in order, with sizes that differ by at most one and none above micro', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 300 }), (size, micro) => {
        const m = microBatchCount(size, micro);
        const ranges = Array.from({ length: m }, (_, j) => microBatchRange(size, m, j));
        const sizes = ranges.map(({ from, to }) => to - from);
        expect(ranges[0]?.from).toBe(0);
        expect(ranges.at(-1)?.to).toBe(size);
        ranges.slice(1).forEach(({ from }, i) => expect(from).toBe(ranges[i]?.to));
        expect(Math.min(...sizes)).toBeGreaterThanOrEqual(1);
        expect(Math.max(...sizes)).toBeLessThanOrEqual(Math.min(micro, Math.min(...sizes) + 1));
      }),
    );
  });

  it('100 samples by 32 are four of 25', () => {
    expect(microBatchCount(100, 32)).toBe(4);
    expect(microBatchRange(100, 4, 2)).toEqual({ from: 50, to: 75 });
  });
});

describe('the reduction tree', () => {
  it.each([
    [1, 0],
    [2, 1],
    [3, 2],
    [4, 2],
    [5, 3],
    [8, 3],
    [9, 4],
    [1024, 10],
  ])('of %i micro-batches has its root at level %i', (m, level) => {
    expect(rootOf(m)).toEqual({ level, index: 0 });
    expect(blockRange(rootOf(m), m)).toEqual({ from: 0, to: m });
  });

  it('children split their parent, and know it and each other', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.nat(500),
        fc.integer({ min: 1, max: 3000 }),
        (level, index, m) => {
          const block = { level, index };
          const [left, right] = childrenOf(block);
          expect([parentOf(left), parentOf(right)]).toEqual([block, block]);
          expect(siblingOf(left)).toEqual(right);
          expect(siblingOf(right)).toEqual(left);
          expect([covers(block, left), covers(block, right), covers(left, right), covers(left, block)]).toEqual([
            true,
            true,
            false,
            false,
          ]);
          const ranges = [block, left, right].map((each) => blockRange(each, m));
          expect(ranges.map(({ from, to }) => to - from)[0]).toBe(
            ranges.slice(1).reduce((sum, { from, to }) => sum + to - from, 0),
          );
          if (isEmpty(left, m)) expect(isEmpty(right, m)).toBe(true);
        },
      ),
    );
  });
});

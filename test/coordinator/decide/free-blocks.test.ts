import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FreeBlocks } from '../../../coordinator/decide/free-blocks.js';
import { blockRange, type Block } from '../../../shared/replica/reduction/tree.js';

function takeAll(free: FreeBlocks, wanted: () => number): Block[] {
  const blocks: Block[] = [];
  for (let block = free.take(wanted()); block !== null; block = free.take(wanted())) blocks.push(block);
  return blocks;
}

describe('FreeBlocks', () => {
  it('gives the widest aligned block that is not above what is wanted', () => {
    const free = new FreeBlocks(16);
    expect(free.take(5)).toEqual({ level: 2, index: 0 });
    expect(free.take(2)).toEqual({ level: 1, index: 2 });
    expect(free.take(100)).toEqual({ level: 3, index: 1 });
    expect(free.microBatches).toBe(2);
  });

  it('gives what is left when there is nothing as wide as wanted', () => {
    const free = new FreeBlocks(4);
    expect(free.take(1)).toEqual({ level: 0, index: 0 });
    expect([free.take(4), free.take(4), free.take(4)]).toEqual([{ level: 1, index: 1 }, { level: 0, index: 1 }, null]);
  });

  it('names a block that the end cuts short by the lowest node over it', () => {
    const free = new FreeBlocks(5);
    expect([free.take(4), free.take(4)]).toEqual([
      { level: 2, index: 0 },
      { level: 0, index: 4 },
    ]);
    expect(new FreeBlocks(3).take(8)).toEqual({ level: 2, index: 0 });
    expect(new FreeBlocks(1).take(8)).toEqual({ level: 0, index: 0 });
  });

  it('prefers the block that fits to splitting a wider one', () => {
    const free = new FreeBlocks(8);
    const [first] = [free.take(2), free.take(2)];
    if (first !== null) free.give(first);
    expect(free.take(2)).toEqual(first);
  });

  it('covers every micro-batch once, and is whole again when all came back in any order', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 70 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        fc.integer(),
        (m, sizes, seed) => {
          const free = new FreeBlocks(m);
          let i = 0;
          const blocks = takeAll(free, () => sizes[i++ % sizes.length] ?? 1);
          const ranges = blocks.map((block) => blockRange(block, m)).sort((a, b) => a.from - b.from);
          expect(ranges.map(({ from }) => from)).toEqual([0, ...ranges.map(({ to }) => to)].slice(0, -1));
          expect([ranges.at(-1)?.to, free.microBatches]).toEqual([m, 0]);
          const start = Math.abs(seed) % blocks.length;
          for (const block of [...blocks.slice(start), ...blocks.slice(0, start)]) free.give(block);
          const whole = free.take(2 * m);
          expect(whole === null ? null : blockRange(whole, m)).toEqual({ from: 0, to: m });
        },
      ),
      { seed: 7, numRuns: 300 },
    );
  });

  it('takes what is liked most among what fits, and the leftmost of equals', () => {
    const likes =
      (...liked: number[]) =>
      (block: Block): number => {
        const { from, to } = blockRange(block, 16);
        return liked.filter((one) => one >= from && one < to).length / (to - from);
      };
    const free = new FreeBlocks(16);
    expect(free.take(2, likes(9, 10, 11))).toEqual({ level: 1, index: 5 });
    expect(free.take(2, likes())).toEqual({ level: 1, index: 4 });
    expect(free.take(4, likes(13))).toEqual({ level: 2, index: 3 });
    expect(free.take(4, likes(9))).toEqual({ level: 2, index: 0 });
  });

  it('gives everything once, and as much at first as without it, whatever is liked', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        fc.func(fc.double({ min: 0, max: 1, noNaN: true })),
        (m, sizes, liking) => {
          const [free, plain] = [new FreeBlocks(m), new FreeBlocks(m)];
          const size = (block: Block | null): number => {
            const { from, to } = block === null ? { from: 0, to: 0 } : blockRange(block, m);
            return to - from;
          };
          const blocks = [free.take(sizes[0] ?? 1, liking)];
          expect(size(blocks[0] ?? null)).toBe(size(plain.take(sizes[0] ?? 1)));
          for (let i = 1; free.microBatches > 0; i++) {
            const wanted = sizes[i % sizes.length] ?? 1;
            const block = free.take(wanted, liking);
            expect(size(block)).toBeGreaterThan(0);
            expect(size(block)).toBeLessThanOrEqual(wanted);
            blocks.push(block);
          }
          const covered = blocks.flatMap((block) => {
            const { from, to } = block === null ? { from: 0, to: 0 } : blockRange(block, m);
            return Array.from({ length: to - from }, (_, i) => from + i);
          });
          expect(covered.sort((a, b) => a - b)).toEqual(Array.from({ length: m }, (_, i) => i));
        },
      ),
      { seed: 7, numRuns: 300 },
    );
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlockSum } from '../../../../shared/replica/reduction/block-sum.js';
import { mergeContributions, type Contribution } from '../../../../shared/replica/reduction/contribution.js';
import { blockRange, childrenOf, isEmpty, rootOf, type Block } from '../../../../shared/replica/reduction/tree.js';
import { loadKernels } from '../../../../shared/replica/kernels/kernels.js';
import { createMemory } from '../../../../shared/replica/kernels/memory.js';
import { randomStream } from '../../../../shared/random.js';
import type { NormLayer } from '../../../../shared/replica/places.js';

const floats = 8;
const norms: NormLayer[] = [{ layer: 'norm', momentum: 0.9, channels: 1, meanOffset: 0, varianceOffset: 4 }];

interface Whole extends Contribution {
  readonly gradient: Float32Array | null;
}

/** Micro-batches with numbers of very different size, so that any other order of addition shows in the bits. */
function microBatches(m: number, seed: number, without: (j: number) => boolean): Whole[] {
  return Array.from({ length: m }, (_, j) => {
    const stream = randomStream([seed, j]);
    const number = (): number => (stream.float() - 0.5) * 10 ** (stream.below(9) - 4);
    const sums = { samples: 1 + stream.below(32), loss: number() };
    if (without(j)) return { hasGradient: false, sums, moments: null, gradient: null };
    const moments = { counts: [1 + stream.below(5)], values: Float64Array.of(number(), Math.abs(number())) };
    return { hasGradient: true, sums, moments, gradient: Float32Array.from({ length: floats }, number) };
  });
}

/** The definition: a node is its left child plus its right child. */
function treeSum(block: Block, all: readonly Whole[]): Whole {
  if (block.level === 0) return all[block.index] ?? raise();
  const [left, right] = childrenOf(block);
  if (isEmpty(right, all.length)) return treeSum(left, all);
  return plus(treeSum(left, all), treeSum(right, all));
}

function raise(): never {
  throw new Error('an empty block');
}

function plus(left: Whole, right: Whole): Whole {
  const gradient =
    left.gradient === null || right.gradient === null
      ? (left.gradient ?? right.gradient)
      : left.gradient.map((x, i) => x + (right.gradient?.[i] ?? NaN));
  return { ...mergeContributions(left, right, norms), gradient };
}

const memory = createMemory(65536);
const kernels = loadKernels(memory);

/** The same by BlockSum over slots of a shared memory. */
function blockSum(block: Block, all: readonly Whole[], spareSlots = 0): Whole {
  const slots = Array.from({ length: block.level + 1 + spareSlots }, (_, i) => i);
  const at = (slot: number): number => slot * 4 * floats;
  const view = (slot: number): Float32Array => new Float32Array(memory.buffer, at(slot), floats);
  const sum = new BlockSum({ slots, norms, addSlots: (into, from) => kernels.add(at(into), at(from), floats) });
  const { from, to } = blockRange(block, all.length);
  for (const { gradient, ...meta } of all.slice(from, to)) {
    if (gradient !== null) view(sum.nextSlot()).set(gradient);
    sum.push(meta);
  }
  const { slot, ...meta } = sum.result();
  return { ...meta, gradient: slot === null ? null : Float32Array.from(view(slot)) };
}

const size = fc.integer({ min: 1, max: 70 });
const share = fc.constantFrom(0, 0.3, 0.9, 1);
const pick = (seed: number, rate: number) => (j: number) => randomStream([seed, 'null', j]).float() < rate;

describe('BlockSum', () => {
  it("of every M is the tree's recursive sum, bit for bit, null gradients included", () => {
    fc.assert(
      fc.property(size, fc.nat(), share, (m, seed, rate) => {
        const all = microBatches(m, seed, pick(seed, rate));
        expect(blockSum(rootOf(m), all)).toEqual(treeSum(rootOf(m), all));
      }),
      { numRuns: 300 },
    );
  });

  it('any partition into aligned blocks gives the same bits', () => {
    fc.assert(
      fc.property(size, fc.nat(), share, (m, seed, rate) => {
        const all = microBatches(m, seed, pick(seed, rate));
        const cuts = randomStream([seed, 'cuts']);
        const partitioned = (block: Block): Whole => {
          if (block.level === 0 || cuts.float() < 0.4) return blockSum(block, all);
          const [left, right] = childrenOf(block);
          return isEmpty(right, m) ? partitioned(left) : plus(partitioned(left), partitioned(right));
        };
        expect(partitioned(rootOf(m))).toEqual(treeSum(rootOf(m), all));
      }),
      { numRuns: 300 },
    );
  });

  it('another order of addition would have shown', () => {
    const all = microBatches(13, 5, () => false);
    const leftToRight = all.slice(1).reduce(plus, all[0] ?? raise());
    expect(leftToRight.gradient).not.toEqual(treeSum(rootOf(13), all).gradient);
  });

  it('five of eight add as ((0 + 1) + (2 + 3)) + 4', () => {
    const all = microBatches(5, 9, () => false);
    const [a, b, c, d, e] = all.map(({ gradient }) => gradient?.[0] ?? NaN) as [number, number, number, number, number];
    const f = Math.fround;
    expect(blockSum(rootOf(5), all).gradient?.[0]).toBe(f(f(f(a + b) + f(c + d)) + e));
  });

  it('needs level + 1 slots, and says so when it has fewer', () => {
    const all = microBatches(8, 1, () => false);
    expect(() => blockSum({ level: 3, index: 0 }, all, -1)).toThrow(/wider than its 3 slots/);
  });

  it('without any gradient has none, and uses no slot', () => {
    const all = microBatches(6, 2, () => true);
    expect(blockSum(rootOf(6), all, -4)).toMatchObject({ hasGradient: false, gradient: null, moments: null });
  });
});

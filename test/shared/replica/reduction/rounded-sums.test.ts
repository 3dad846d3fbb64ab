/**
 * Compressed runs give the same bits for any number of workers: every node of the tree, a micro-batch's own gradient
 * included, is rounded by whoever computes it, so it does not matter who that is.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../../../shared/random.js';
import { planReplica } from '../../../../shared/replica/plan.js';
import { Replica } from '../../../../shared/replica/replica.js';
import { BlockSum } from '../../../../shared/replica/reduction/block-sum.js';
import { blockRange, childrenOf, isEmpty, rootOf, type Block } from '../../../../shared/replica/reduction/tree.js';
import { optimizerOf, studentOf, weightOf } from '../student.js';
import { addRounded, encode, roundings, type Rounding } from './rounding.js';

const floats = 300;
const student = studentOf([weightOf('dense/kernel', [floats])]);
const optimizer = optimizerOf({ name: 'sgd', learningRate: 0.1 });

/** Of numbers of very different size; null where no loss term applied. */
function gradientsOf(m: number, seed: number, rate: number): (Float32Array | null)[] {
  return Array.from({ length: m }, (_, j) => {
    const stream = randomStream([seed, j]);
    return stream.float() < rate
      ? null
      : Float32Array.from({ length: floats }, () => (stream.float() - 0.5) * 10 ** (stream.below(5) - 4));
  });
}

/** The definition: round(left + right), leaves rounded; one child alone passes through. */
function treeSum(rounding: Rounding, block: Block, all: readonly (Float32Array | null)[]): Uint8Array | null {
  if (block.level === 0) {
    const own = all[block.index] ?? null;
    return own === null ? null : encode(rounding, own);
  }
  const [left, right] = childrenOf(block);
  const sum = treeSum(rounding, left, all);
  const other = isEmpty(right, all.length) ? null : treeSum(rounding, right, all);
  return sum === null || other === null ? (sum ?? other) : addRounded(rounding, sum, other, floats);
}

const replicas = new Map(
  roundings.map((rounding) => {
    const plan = planReplica(student, optimizer, rounding);
    return [rounding, { worker: new Replica(plan, { slots: 8 }), coordinator: new Replica(plan, { slots: 8 }) }];
  }),
);

function replicasOf(rounding: Rounding): { readonly worker: Replica; readonly coordinator: Replica } {
  const found = replicas.get(rounding);
  if (found === undefined) throw new Error(rounding);
  return found;
}

/** A worker's part. */
function blockSum(rounding: Rounding, block: Block, all: readonly (Float32Array | null)[]): Uint8Array | null {
  const { worker } = replicasOf(rounding);
  const sum = new BlockSum({
    slots: Array.from({ length: block.level + 1 }, (_, i) => i),
    norms: [],
    addSlots: (into, from) => worker.addSlots(into, from),
  });
  const { from, to } = blockRange(block, all.length);
  for (const gradient of all.slice(from, to)) {
    if (gradient !== null) {
      worker.leaf(sum.nextSlot()).set(gradient);
      worker.settleLeaf(sum.nextSlot());
    }
    sum.push({ hasGradient: gradient !== null, sums: {}, moments: null });
  }
  const { slot } = sum.result();
  return slot === null ? null : Uint8Array.from(worker.slotBytes(slot));
}

/** The coordinator's part. */
function addSiblings(rounding: Rounding, left: Uint8Array | null, right: Uint8Array | null): Uint8Array | null {
  if (left === null || right === null) return left ?? right;
  const { coordinator } = replicasOf(rounding);
  coordinator.slotBytes(0).set(left);
  coordinator.slotBytes(1).set(right);
  coordinator.addSlots(0, 1);
  return Uint8Array.from(coordinator.slotBytes(0));
}

describe.each(roundings)('sums rounded to %s', (rounding) => {
  it('are the same bits for any partition into aligned blocks, whoever sums', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 70 }),
        fc.nat(),
        fc.constantFrom(0, 0.3, 0.9, 1),
        fc.constantFrom(0, 0.4, 1),
        (m, seed, rate, cutRate) => {
          const all = gradientsOf(m, seed, rate);
          const cuts = randomStream([seed, 'cuts']);
          const partitioned = (block: Block): Uint8Array | null => {
            if (block.level === 0 || cuts.float() < cutRate) return blockSum(rounding, block, all);
            const [left, right] = childrenOf(block);
            return isEmpty(right, m) ? partitioned(left) : addSiblings(rounding, partitioned(left), partitioned(right));
          };
          const found = partitioned(rootOf(m));
          const wanted = treeSum(rounding, rootOf(m), all);
          expect(found === null ? null : Buffer.from(found).toString('hex')).toBe(
            wanted === null ? null : Buffer.from(wanted).toString('hex'),
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  it('are others than the exact sum, rounded once: that nodes are rounded would have shown', () => {
    const all = gradientsOf(13, 5, 0);
    const exact = all.reduce(
      (sum, gradient) => (sum ?? new Float32Array(floats)).map((x, i) => x + (gradient?.[i] ?? NaN)),
      null,
    );
    expect([...(treeSum(rounding, rootOf(13), all) ?? [])]).not.toEqual([
      ...encode(rounding, exact ?? new Float32Array(floats)),
    ]);
  });
});

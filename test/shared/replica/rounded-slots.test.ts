import { describe, expect, it } from 'vitest';
import { commitScalars } from '../../../shared/replica/optimizer/scalars.js';
import { randomStream } from '../../../shared/random.js';
import { planReplica } from '../../../shared/replica/plan.js';
import { layoutReplica } from '../../../shared/replica/layout.js';
import { Replica } from '../../../shared/replica/replica.js';
import { contributionBytes } from '../../../shared/replica/reduction/contribution.js';
import { compressions, type Compression } from '../../../shared/compression.js';
import { decode, encode, roundings, type Rounding } from './reduction/rounding.js';
import { normStudent, optimizerOf, studentOf, weightOf } from './student.js';

/**
 * Larger than a few windows; parts of it frozen and in groups of their own, cut in the middle of windows and blocks.
 */
const wide = studentOf([
  weightOf('a/kernel', [20_001]),
  weightOf('a/bias', [3]),
  weightOf('b/kernel', [129, 100]),
  weightOf('norm/gamma', [5]),
  weightOf('norm/moving_mean', [5], 'mean', 0.9),
  weightOf('norm/moving_variance', [5], 'variance', 0.9),
  weightOf('c/kernel', [40_000]),
]);
const optimizer = optimizerOf({
  name: 'adamw',
  learningRate: 0.1,
  weightDecay: 0.01,
  clipNorm: 1,
  ema: 0.9,
  freeze: ['b'],
  groups: [{ match: ['norm'], learningRateScale: 0.5 }],
});

function newReplica(compression: Compression, slots = 2): Replica {
  const replica = new Replica(planReplica(wide, optimizer, compression), { slots });
  const stream = randomStream([1, 'weights']);
  replica.loadWeights(
    new Map(
      replica.plan.tensors.map(({ spec, size }) => [
        spec.name,
        Float32Array.from({ length: size }, () => stream.float() - 0.5),
      ]),
    ),
  );
  return replica;
}

function gradientOf(floats: number, seed: number): Float32Array {
  const stream = randomStream([seed, 'gradient']);
  return Float32Array.from({ length: floats }, () => stream.float() - 0.5);
}

const moments = { counts: [4], values: Float64Array.from({ length: 10 }, (_, i) => i + 0.1) };

/** Puts a rounded gradient into the rounded replica's slot, and what it decodes to into the other's. */
function fill(rounding: Rounding, rounded: Replica, plain: Replica, seed: number): void {
  const { gradientFloats } = plain.plan;
  const gradient = gradientOf(gradientFloats, seed);
  rounded.leaf(0).set(gradient);
  rounded.settleLeaf(0);
  plain.slot(0).set(decode(rounding, encode(rounding, gradient), gradientFloats));
}

describe.each(roundings)('slots rounded to %s', (rounding) => {
  it('move the state to the bits that their decoded gradient moves it to, over several updates', () => {
    const [rounded, plain] = [newReplica(rounding), newReplica('none')];
    for (let update = 1; update <= 3; update++) {
      fill(rounding, rounded, plain, update);
      const scalars = commitScalars(plain.plan, {
        update,
        step: update - 1,
        totalSteps: 3,
        gradientSquares: plain.slotSquares(0),
      });
      rounded.apply(scalars, { slot: 0, moments });
      plain.apply(scalars, { slot: 0, moments });
      expect(rounded.hashState()).toBe(plain.hashState());
    }
  });

  it('count to the norm what moves', () => {
    const [rounded, plain] = [newReplica(rounding), newReplica('none')];
    fill(rounding, rounded, plain, 9);
    expect(rounded.slotSquares(0) / plain.slotSquares(0)).toBeCloseTo(1, 12);
    expect(rounded.leafSquares(0)).not.toBe(rounded.slotSquares(0));
  });

  it('hold the moments as they are', () => {
    const replica = newReplica(rounding);
    replica.writeMoments(0, moments);
    replica.leaf(0).fill(1);
    replica.settleLeaf(0);
    expect(replica.readMoments(0, moments.counts)).toEqual(moments);
    expect(replica.slotIsFinite(0)).toBe(true);
    replica.writeMoments(0, { counts: [4], values: moments.values.map(() => NaN) });
    expect([replica.slotIsFinite(0), replica.leafIsFinite(0)]).toEqual([false, false]);
  });

  it('say that they are not finite, in the leaf and when rounded', () => {
    const replica = newReplica(rounding);
    const leaf = replica.leaf(0).fill(0.5);
    expect(replica.leafIsFinite(0)).toBe(true);
    leaf[leaf.length - 1] = Infinity;
    expect(replica.leafIsFinite(0)).toBe(false);
    replica.settleLeaf(0);
    expect(replica.slotIsFinite(0)).toBe(false);
  });

  it('have fewer bytes, and cannot be seen as float32', () => {
    const replica = newReplica(rounding);
    expect(replica.slotBytes(0).length / newReplica('none').slotBytes(0).length).toBeCloseTo(
      rounding === 'bf16' ? 0.5 : 0.258,
      3,
    );
    expect(() => replica.slot(0)).toThrow(/holds no float32/);
  });

  it('share their memory with a second replica of the same plan, leaf and slots', () => {
    const owner = newReplica(rounding);
    const other = new Replica(owner.plan, { slots: 2, memory: owner.memory });
    owner.leaf(1).fill(0.25);
    other.settleLeaf(1);
    expect(owner.hashSlot(1)).toBe(other.hashSlot(1));
    expect(owner.slotSquares(1)).toBeGreaterThan(0);
  });
});

describe('a leaf', () => {
  it('has the same hash however it will be rounded, its moments included', () => {
    const hashes = (compression: Compression, other: number): string[] => {
      const replica = newReplica(compression);
      replica.leaf(1).set(gradientOf(replica.plan.gradientFloats, other));
      replica.writeMoments(1, moments);
      const before = replica.hashLeaf(1);
      replica.writeMoments(1, { counts: [4], values: moments.values.map((x, i) => (i === 9 ? x + other : x)) });
      return [before, replica.hashLeaf(1)];
    };
    const [first, second] = hashes('none', 1);
    expect(second).not.toBe(first);
    for (const rounding of roundings) expect(hashes(rounding, 1)).toEqual([first, second]);
    expect(hashes('none', 2)).not.toContain(first);
  });
});

describe('a commit of another encoding', () => {
  it.each(compressions.flatMap((own) => compressions.map((given) => [given, own] as const)))(
    '%s moves a replica of %s to the bits that it moves its own to',
    (given, own) => {
      const [source, target] = [newReplica(given, 1), newReplica(own, 3)];
      source.leaf(0).set(gradientOf(source.plan.gradientFloats, 3));
      source.settleLeaf(0);
      source.writeMoments(0, moments);
      const scalars = commitScalars(source.plan, {
        update: 1,
        step: 0,
        totalSteps: 3,
        gradientSquares: source.slotSquares(0),
      });
      const last = target.slots - 1;
      target.slotBytes(last, given).set(source.slotBytes(0));
      expect(target.hashSlot(last, given)).toBe(source.hashSlot(0));
      source.apply(scalars, { slot: 0, moments: source.readMoments(0, moments.counts) });
      target.apply(scalars, {
        slot: last,
        moments: target.readMoments(last, moments.counts, given),
        compression: given,
      });
      expect(target.hashState()).toBe(source.hashState());
    },
  );

  it('fits the last slot alone, also of the smallest student', () => {
    const plan = planReplica(studentOf([weightOf('d/bias', [1])]), optimizerOf({ name: 'sgd', learningRate: 1 }));
    const replica = new Replica(plan, { slots: 2 });
    const { window, slots } = layoutReplica(plan, 2);
    expect(window - slots).toBeGreaterThanOrEqual(contributionBytes(plan) + contributionBytes(plan, 'int8'));
    expect(replica.slotBytes(1, 'int8').length).toBe(contributionBytes(plan, 'int8'));
    expect(() => replica.slotBytes(0, 'int8')).toThrow(/not the last/);
  });
});

describe('bytes of a contribution', () => {
  it.each([
    ['none', 240],
    ['bf16', 128],
    ['int8', 80],
  ] as const)('%s: %i for 60 elements, and the moments', (compression, bytes) => {
    const plan = planReplica(normStudent, optimizer1, compression);
    expect(contributionBytes(plan)).toBe(bytes + 8 * 2 * (3 + 5));
    expect(contributionBytes(planReplica(normStudent, optimizer1), compression)).toBe(contributionBytes(plan));
  });
});
const optimizer1 = optimizerOf({ name: 'sgd', learningRate: 1 });

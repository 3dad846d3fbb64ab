/**
 * Real numbers for simulated runs: a student of a few weights with a batch norm, under AdamW with clipping and an
 * average of its weights, whose gradient is a formula over weights and samples, rounded as the plan says. And the
 * oracle: the same units folded by one replica in one loop, with nobody to lose anything.
 */
import type { Unit } from '../../../coordinator/decide/types.js';
import { commitScalars, skipScalars } from '../../../shared/replica/optimizer/scalars.js';
import { planReplica, type ReplicaPlan } from '../../../shared/replica/plan.js';
import { Replica } from '../../../shared/replica/replica.js';
import { BlockSum, type SlottedContribution } from '../../../shared/replica/reduction/block-sum.js';
import type { Sums } from '../../../shared/replica/reduction/contribution.js';
import type { Compression } from '../../../shared/compression.js';
import { blockRange, rootOf, type Block } from '../../../shared/replica/reduction/tree.js';
import { teacherNames } from './plan.js';
import { initialWeights, recipeOf, specOf } from '../../worker/fakes.js';

const size = 6;
export const spec = specOf(size);
export const recipe = recipeOf({
  optimizer: { name: 'adamw', learningRate: 0.05, weightDecay: 0.01, clipNorm: 1, ema: 0.1 },
});
export const planOf = (compression: Compression): ReplicaPlan => planReplica(spec, recipe.optimizer, compression);

/** Memories are made once and used again: thousands of runs need a few dozen. */
const unused = new Map<string, Replica[]>();
const keyOf = (compression: Compression, slots: number): string => `${compression} ${slots}`;

/** A replica at step 0. */
export function takeReplica(compression: Compression, slots: number): Replica {
  const replica = unused.get(keyOf(compression, slots))?.pop() ?? new Replica(planOf(compression), { slots });
  replica.loadWeights(initialWeights(spec));
  return replica;
}

export function giveReplica(replica: Replica): void {
  const key = keyOf(replica.plan.compression, replica.slots);
  unused.set(key, [...(unused.get(key) ?? []), replica]);
}

/** One sample a micro-batch; to every fifth no loss term applies. */
function hasGradient(sample: number): boolean {
  return sample % 5 !== 3;
}

interface BlockOfUnit {
  readonly unit: Pick<Unit, 'kind' | 'from' | 'microBatches'> & { readonly subject?: Unit['subject'] | undefined };
  readonly block: Block;
  readonly dropped: readonly string[];
}

/**
 * What a worker computes of a block without these teachers: gradient and moments in a slot of the replica, null without
 * gradient.
 */
export function computeBlock(replica: Replica, { unit, block, dropped }: BlockOfUnit): SlottedContribution {
  const taught = dropped.reduce((share, name) => share - 0.1 * (1 + teacherNames.findIndex((one) => one === name)), 1);
  const slots = Array.from({ length: block.level + 1 }, (_, i) => i);
  const sum = new BlockSum({
    slots,
    norms: replica.plan.norms,
    addSlots: (into, from) => replica.addSlots(into, from),
  });
  const { from, to } = blockRange(block, unit.microBatches);
  for (let j = from; j < to; j++) {
    const sample = unit.from + j;
    const loss = replica.weights.reduce((total, weight, i) => total + Math.sin(sample + i) * weight, 0);
    const judged =
      unit.subject === 'teachers'
        ? { 'ensemble.correct': Math.abs(Math.sin(sample)) }
        : { 'student.loss': loss, 'student.correct': 0 };
    if (unit.kind === 'evaluate') sum.push({ hasGradient: false, sums: { samples: 1, ...judged }, moments: null });
    else if (!hasGradient(sample)) sum.push({ hasGradient: false, sums: { samples: 1 }, moments: null });
    else {
      const slot = sum.nextSlot();
      const gradient = replica.leaf(slot);
      gradient.fill(0);
      for (let i = 0; i < size; i++)
        gradient[i] = taught * Math.sin(sample * 0.7 + i) * (1 + (replica.weights[i] ?? 0));
      replica.settleLeaf(slot);
      const mean = 10 * Math.cos(sample);
      sum.push({
        hasGradient: true,
        sums: { samples: 1, crossEntropy: loss, 'crossEntropy.count': 1 },
        moments: { counts: [1 + (sample % 7)], values: Float64Array.from([mean, 1 / mean, mean * mean, 0.5]) },
      });
    }
  }
  const result = sum.result();
  if (result.slot !== null) replica.writeMoments(result.slot, result.moments);
  return result;
}

export interface Truth {
  /** Hash of the state after the unit. */
  readonly stateHash: string;
  readonly sums: Sums;
}

/** What the run made of its units. */
export interface Course {
  /** Indices of those that it gave up. */
  readonly skipped: ReadonlySet<number>;
  /** By index, the teachers that it was computed without. */
  readonly dropped: readonly (readonly string[])[];
  readonly compression: Compression;
}

/** What every unit must come to. */
export function oracle(units: readonly Unit[], { skipped, dropped, compression }: Course): Truth[] {
  const replica = takeReplica(compression, oracleSlots);
  const totalSteps = units.filter(({ kind }) => kind === 'train').length;
  let update = 0;
  const truths = units.map((unit, index): Truth => {
    const { slot, sums, moments } = computeBlock(replica, {
      unit,
      block: rootOf(unit.microBatches),
      dropped: dropped[index] ?? [],
    });
    if (unit.kind === 'train' && slot !== null && !skipped.has(index)) {
      const scalars = commitScalars(replica.plan, {
        update: ++update,
        step: unit.step,
        totalSteps,
        gradientSquares: replica.slotSquares(slot),
      });
      replica.apply(scalars, { slot, moments });
    } else if (unit.kind === 'train') replica.apply(skipScalars(update), { slot: null, moments: null });
    return { stateHash: replica.hashState(), sums: skipped.has(index) ? {} : sums };
  });
  giveReplica(replica);
  return truths;
}

const oracleSlots = 8;

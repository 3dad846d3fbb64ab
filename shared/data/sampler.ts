/**
 * The order of an epoch: a block shuffle keyed by (seed, epoch). Shards are permuted, then samples are permuted inside
 * each group of `groupShards` consecutive shards of that permutation, so that a reader needs few shards at a time. A
 * pure function of its arguments; groups are laid out when first asked for (4 bytes a sample of the groups in use).
 */
import { mustAt } from '../must.js';
import { randomStream, shuffle as shuffled } from '../random.js';
import { lastAtMost } from '../search.js';
import type { DataSet } from './manifest.js';

/** How many shards are mixed with each other. */
export const groupShards = 8;
/** How many groups stay laid out: the one in use and its neighbours. */
const groupsKept = 4;
/** How many epochs' orders are kept: the current one and the one that is labelled ahead. */
const epochsKept = 2;

export interface EpochOrder {
  /** The sample id at a position of the epoch. */
  readonly at: (position: number) => number;
  /** The shards that are wanted when those of the position's group are done; none at the epoch's end. */
  readonly shardsAfter: (position: number) => readonly number[];
  /** The shards that the positions [from, to) are drawn from: those of their groups, each once. */
  readonly shardsIn: (from: number, to: number) => readonly number[];
}

export interface OrderOptions {
  /** The run's seed. */
  readonly seed: number;
  /** Without it every epoch has the order of the data set. */
  readonly shuffle: boolean;
}

/** Gives the order of any epoch, and keeps those of the two that were asked for last for the first time. */
export function epochOrders(dataSet: DataSet, options: OrderOptions): (epoch: number) => EpochOrder {
  const kept = new Map<number, EpochOrder>();
  return (epoch) => {
    const found = kept.get(epoch) ?? epochOrder(dataSet, epoch, options);
    kept.set(epoch, found);
    const [oldest] = kept.keys();
    if (kept.size > epochsKept && oldest !== undefined) kept.delete(oldest);
    return found;
  };
}

/**
 * Gives the order of one epoch.
 * @throws RangeError from `at` for a position that the epoch does not have
 */
export function epochOrder(dataSet: DataSet, epoch: number, { seed, shuffle }: OrderOptions): EpochOrder {
  const starts = shardStarts(dataSet);
  if (!shuffle) {
    const shardsAfter = (position: number): number[] =>
      [lastAtMost(starts, position) + 1].filter((shard) => shard < starts.length);
    return { at: (position) => position, shardsAfter, shardsIn: (from, to) => shardsInOrder(starts, from, to) };
  }
  const permuted = shuffled(Uint32Array.from(dataSet.shards.keys()), randomStream([seed, 'shards', epoch]));
  const groups = groupsOf(dataSet, permuted);
  const groupStarts = groups.map(({ from }) => from);
  const laidOut = new Map<number, Uint32Array>();
  const idsOf = (index: number, group: Group): Uint32Array => {
    const found = laidOut.get(index) ?? layOut(dataSet, starts, group, [seed, 'samples', epoch, index]);
    laidOut.delete(index);
    laidOut.set(index, found);
    const [oldest] = laidOut.keys();
    if (laidOut.size > groupsKept && oldest !== undefined) laidOut.delete(oldest);
    return found;
  };
  return {
    at: (position) => {
      const index = lastAtMost(groupStarts, position);
      const group = groups[index];
      const id = group === undefined ? undefined : idsOf(index, group)[position - group.from];
      if (id === undefined) throw new RangeError(`position ${position} of an epoch of ${dataSet.samples} samples`);
      return id;
    },
    shardsAfter: (position) => groups[lastAtMost(groupStarts, position) + 1]?.shards ?? [],
    shardsIn: (from, to) =>
      from >= to
        ? []
        : groups
            .slice(lastAtMost(groupStarts, from), lastAtMost(groupStarts, to - 1) + 1)
            .flatMap(({ shards }) => shards),
  };
}

/**
 * The shards that samples [from, to) lie in, in the order of the data set.
 * @param starts as `shardStarts` gives them
 */
export function shardsInOrder(starts: Uint32Array, from: number, to: number): number[] {
  if (from >= to) return [];
  const first = lastAtMost(starts, from);
  return Array.from({ length: lastAtMost(starts, to - 1) + 1 - first }, (_, i) => first + i);
}

interface Group {
  /** Position of its first sample in the epoch. */
  readonly from: number;
  readonly shards: readonly number[];
}

/** Gives the id of the first sample of each shard. */
export function shardStarts(dataSet: DataSet): Uint32Array {
  const starts = new Uint32Array(dataSet.shards.length);
  dataSet.shards.forEach((shard, i) => {
    if (i + 1 < starts.length) starts[i + 1] = (starts[i] ?? 0) + shard.samples;
  });
  return starts;
}

function groupsOf(dataSet: DataSet, permuted: Uint32Array): Group[] {
  const groups: Group[] = [];
  let from = 0;
  for (let i = 0; i < permuted.length; i += groupShards) {
    const shards = [...permuted.subarray(i, i + groupShards)];
    groups.push({ from, shards });
    from += shards.reduce((sum, shard) => sum + mustAt(dataSet.shards, shard, 'shard').samples, 0);
  }
  return groups;
}

function layOut(dataSet: DataSet, starts: Uint32Array, group: Group, key: readonly (string | number)[]): Uint32Array {
  const ids = group.shards.flatMap((shard) =>
    Array.from({ length: mustAt(dataSet.shards, shard, 'shard').samples }, (_, i) => (starts[shard] ?? 0) + i),
  );
  return shuffled(Uint32Array.from(ids), randomStream(key));
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DataSet } from '../../../shared/data/manifest.js';
import { epochOrder, epochOrders, groupShards, shardStarts } from '../../../shared/data/sampler.js';

function dataSet(sizes: readonly number[]): DataSet {
  return {
    samples: sizes.reduce((sum, size) => sum + size, 0),
    shape: [1],
    dtype: 'uint8',
    shards: sizes.map((samples, i) => ({ sha256: String(i), bytes: samples, samples })),
  };
}
const all = (set: DataSet, seed: number, epoch: number, shuffle = true): number[] => {
  const order = epochOrder(set, epoch, { seed, shuffle });
  return Array.from({ length: set.samples }, (_, position) => order.at(position));
};
const shardsArbitrary = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 60 });

describe('epochOrder', () => {
  it('holds every sample exactly once, whatever the shards, the seed and the epoch', () => {
    fc.assert(
      fc.property(shardsArbitrary, fc.nat(), fc.nat(99), (sizes, seed, epoch) => {
        const set = dataSet(sizes);
        expect(all(set, seed, epoch).sort((a, b) => a - b)).toEqual([...Array(set.samples).keys()]);
      }),
    );
  });
  it('is the same for positions asked in any order', () => {
    fc.assert(
      fc.property(shardsArbitrary, fc.nat(), (sizes, seed) => {
        const set = dataSet(sizes);
        const order = epochOrder(set, 3, { seed, shuffle: true });
        const backwards = Array.from({ length: set.samples }, (_, i) => order.at(set.samples - 1 - i)).reverse();
        expect(backwards).toEqual(all(set, seed, 3));
      }),
    );
  });
  it('differs between epochs and between seeds', () => {
    const set = dataSet(Array(20).fill(10) as number[]);
    expect(all(set, 1, 0)).not.toEqual(all(set, 1, 1));
    expect(all(set, 1, 0)).not.toEqual(all(set, 2, 0));
  });
  it('mixes samples of a group of shards and of no more', () => {
    const set = dataSet(Array(3 * groupShards).fill(5) as number[]);
    const first = all(set, 4, 0).slice(0, groupShards * 5);
    expect(new Set(first.map((id) => Math.floor(id / 5))).size).toBe(groupShards);
  });
  it('keeps the order of the file without shuffling', () => {
    expect(all(dataSet([2, 3]), 1, 5, false)).toEqual([0, 1, 2, 3, 4]);
  });
  it('says which shards come after those of a position, which are just those of the next group', () => {
    const set = dataSet(Array(2 * groupShards + 3).fill(5) as number[]);
    const order = epochOrder(set, 2, { seed: 4, shuffle: true });
    const ids = all(set, 4, 2);
    const shardsOf = (from: number, to: number): number[] =>
      [...new Set(ids.slice(from, to).map((id) => Math.floor(id / 5)))].sort((a, b) => a - b);
    const after = (position: number): number[] => [...order.shardsAfter(position)].sort((a, b) => a - b);
    const group = 5 * groupShards;
    for (const position of [0, group - 1]) expect(after(position)).toEqual(shardsOf(group, 2 * group));
    for (const position of [group, 2 * group - 1]) expect(after(position)).toEqual(shardsOf(2 * group, set.samples));
    expect(after(2 * group)).toEqual([]);
    const plain = epochOrder(set, 2, { seed: 4, shuffle: false });
    expect([0, 4, 5, set.samples - 1].map((position) => plain.shardsAfter(position))).toEqual([[1], [1], [2], []]);
  });
  it('refuses a position beyond the epoch', () => {
    expect(() => epochOrder(dataSet([2]), 0, { seed: 0, shuffle: true }).at(2)).toThrow(RangeError);
  });
});

describe('epochOrders', () => {
  it("gives each epoch's own order, in whatever sequence they are asked for", () => {
    const set = dataSet(Array(20).fill(3) as number[]);
    const options = { seed: 5, shuffle: true };
    const orderOf = epochOrders(set, options);
    for (const epoch of [0, 1, 0, 2, 3, 1, 3])
      expect([0, 17, 59].map((position) => orderOf(epoch).at(position))).toEqual(
        [0, 17, 59].map((position) => epochOrder(set, epoch, options).at(position)),
      );
  });
});

describe('shardStarts', () => {
  it('counts ids through the shards', () => {
    expect([...shardStarts(dataSet([4, 1, 3]))]).toEqual([0, 4, 5]);
  });
});

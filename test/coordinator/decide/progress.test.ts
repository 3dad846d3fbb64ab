import { describe, expect, it } from 'vitest';
import { UnitProgress, slotsNeeded } from '../../../coordinator/decide/progress.js';

describe('UnitProgress', () => {
  it('needs a slot a level and one more', () => {
    expect([1, 2, 3, 4, 5, 16, 17].map(slotsNeeded)).toEqual([1, 2, 3, 3, 4, 5, 6]);
    expect(() => new UnitProgress(8, 3)).toThrow('8 micro-batches need 4 slots, there are 3');
  });

  it('adds the right sibling into the left one, whichever comes first', () => {
    const progress = new UnitProgress(4, 6);
    const slots = [2, 3, 0, 1].map((from) => ({ from, slot: progress.take(from) }));
    const merges = slots.map(({ from, slot }) => progress.complete({ level: 0, index: from }, slot));
    const slotOf = (from: number): number => slots.find((entry) => entry.from === from)?.slot ?? -1;
    expect(merges).toEqual([
      [],
      [{ into: slotOf(2), from: slotOf(3) }],
      [],
      [
        { into: slotOf(0), from: slotOf(1) },
        { into: slotOf(0), from: slotOf(2) },
      ],
    ]);
    expect([progress.root, progress.microBatches]).toEqual([slotOf(0), 4]);
  });

  it('lets a node without a sibling pass through', () => {
    const progress = new UnitProgress(5, 5);
    expect(progress.complete({ level: 0, index: 4 }, progress.take(4))).toEqual([]);
    expect(progress.root).toBeNull();
    expect(progress.complete({ level: 2, index: 0 }, progress.take(0))).toHaveLength(1);
    expect(progress.root).not.toBeNull();
  });

  it('keeps the slots that the prefix needs from early contributions', () => {
    const progress = new UnitProgress(8, 5);
    expect(progress.hasRoomForEarly).toBe(true);
    progress.complete({ level: 0, index: 7 }, progress.take(7));
    expect(progress.hasRoomForEarly).toBe(false);
    for (const [index, prefixEnd] of [
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 4],
      [4, 5],
      [5, 6],
    ] as const) {
      progress.complete({ level: 0, index }, progress.take(index));
      expect([progress.prefixEnd, progress.hasRoomForEarly]).toEqual([prefixEnd, false]);
    }
    progress.complete({ level: 0, index: 6 }, progress.take(6));
    expect(progress.root).not.toBeNull();
  });

  it('counts a slot whose contribution does not come as free', () => {
    const progress = new UnitProgress(4, 4);
    const slot = progress.take(2);
    expect(progress.hasRoomForEarly).toBe(false);
    progress.giveBack(2, slot);
    expect([progress.hasRoomForEarly, progress.take(3)]).toEqual([true, slot]);
  });
});

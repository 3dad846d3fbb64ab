/** Asynchronous successive halving: where trials are compared, and which go on. */
import { describe, expect, it } from 'vitest';
import { goesOn, isRung } from '../../../cli/search/halving.js';

describe('rungs', () => {
  const rungs = (firstEpoch: number, factor: number, epochs: number): number[] =>
    Array.from({ length: epochs }, (_, i) => i + 1).filter((epoch) => isRung({ factor, firstEpoch }, epoch, epochs));

  it('are the first epoch, and then each a factor later, but never the last epoch', () => {
    expect(rungs(1, 3, 27)).toEqual([1, 3, 9]);
    expect(rungs(2, 2, 20)).toEqual([2, 4, 8, 16]);
    expect(rungs(1, 3, 1)).toEqual([]);
  });

  it('are none without halving', () => expect(isRung(null, 1, 9)).toBe(false));
});

describe('a trial at a rung', () => {
  const halving = { factor: 3, firstEpoch: 1 };

  it('goes on alone, and behind it only what is better, until a third has room for more', () => {
    expect(goesOn(halving, 5, [])).toBe(true);
    expect(goesOn(halving, 6, [5])).toBe(false);
    expect(goesOn(halving, 4, [5])).toBe(true);
    // Of six the best two go on.
    expect(goesOn(halving, 2, [1, 5, 6, 7, 8])).toBe(true);
    expect(goesOn(halving, 3, [1, 2, 6, 7, 8])).toBe(false);
  });

  it('is behind an equal one that came before it', () => {
    expect(goesOn(halving, 5, [5])).toBe(false);
    expect(goesOn(halving, 5, [5, 6, 7, 8, 9])).toBe(true);
  });

  it('is compared by half the trials where the factor is 2', () => {
    expect(goesOn({ factor: 2, firstEpoch: 1 }, 3, [1, 2, 6, 7, 8])).toBe(true);
  });
});

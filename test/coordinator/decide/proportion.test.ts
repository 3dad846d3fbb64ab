import { describe, expect, it } from 'vitest';
import { Proportion, usualProportion } from '../../../coordinator/decide/proportion.js';

function after(norms: readonly number[], limits = { leastBlocks: 4, factor: 100 }): Proportion {
  const proportion = new Proportion(limits);
  for (const norm of norms) proportion.add(norm);
  return proportion;
}

describe('proportion to the blocks before', () => {
  it('is not judged before enough blocks were summed, nor without limits', () => {
    expect(after([1, 1, 1]).doubt(1e6)).toBeNull();
    const none = new Proportion(null);
    for (let i = 0; i < 99; i++) none.add(1);
    expect(none.doubt(1e6)).toBeNull();
  });

  it('is lost beyond a hundred times what nine in ten of them had, and not below', () => {
    const proportion = after([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1000]);
    expect(proportion.doubt(1000)).toBeNull();
    expect(proportion.doubt(1001)).toBe('its gradient is 1.0e+2 times that of nine in ten blocks before it');
    expect(proportion.doubt(2e7)).toBe('its gradient is 2.0e+6 times that of nine in ten blocks before it');
  });

  it('is lost by nothing at all, unless one in ten had nothing, too', () => {
    expect(after([1, 1, 1, 1, 1, 1, 1, 1, 1, 1]).doubt(0)).toBe('its gradient is nothing at all');
    expect(after([0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1]).doubt(0)).toBeNull();
    expect(after([0, 0, 0, 0]).doubt(5)).toBeNull();
  });

  it('follows the newest blocks, so that gradients may grow over a run', () => {
    const proportion = after([], usualProportion);
    for (let i = 0; i < 2000; i++) {
      const norm = 1.01 ** i;
      expect([i, proportion.doubt(norm)]).toEqual([i, null]);
      proportion.add(norm);
    }
  });
});

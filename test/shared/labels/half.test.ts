import { describe, expect, it } from 'vitest';
import { halfTable, toHalf } from '../../../shared/labels/half.js';

describe('half precision', () => {
  it.each([
    [0, 0],
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [1e9, 0x7bff],
    [-Infinity, 0xfbff],
    [2 ** -14, 0x0400],
    [2 ** -24, 1],
    [-(2 ** -24), 0x8001],
    [2 ** -26, 0],
    // Ties go to the even neighbour: 1 + 2^-11 lies between 1 and 1 + 2^-10, 1 + 3 x 2^-11 between that and 1 + 2^-9.
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [1 + 2 ** -11 + 2 ** -20, 0x3c01],
    [1.5 * 2 ** -24, 2],
    [2.5 * 2 ** -24, 2],
  ])('keeps %d as the bits %i', (value, bits) => {
    expect(toHalf(value)).toBe(bits);
  });

  it('gives every finite half back', () => {
    const table = halfTable();
    const wrong = [...table.keys()].filter(
      (half) => (half & 0x7c00) !== 0x7c00 && toHalf(table[half] ?? 0) !== half && half !== 0x8000,
    );
    expect(wrong).toEqual([]);
  });
});

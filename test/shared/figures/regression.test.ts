import { describe, expect, it } from 'vitest';
import { regressionSums, spreadAbout } from '../../../shared/figures/regression.js';

describe('regression', () => {
  // Errors 1, -1; (no target); 0, 2: mean squares 1 and 2, mean absolutes 1 and 1.
  const judged = {
    outputs: Float32Array.of(1, 2, 99, 99, 3, 6),
    vectors: Float32Array.of(0, 3, 0, 0, 3, 4),
    labels: Int32Array.of(0, -1, 0),
    width: 2,
  };

  it('sums squared and absolute errors, means over the vector, over the rows that have a target', () => {
    expect(regressionSums(judged)).toEqual({ squares: 3, absolutes: 2 });
    // About the means 1.5 and 3.5: 1.5^2 and 0.5^2 in both rows.
    expect(spreadAbout(judged, [1.5, 3.5])).toBe(2.5);
  });

  it('wants a mean of each number', () => {
    expect(() => spreadAbout(judged, [1.5])).toThrow('1 means; one for number 1 was wanted');
  });
});

import { describe, expect, it } from 'vitest';
import { regressionFigures, regressionSums, spreadAbout } from '../../../shared/figures/regression.js';

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

  it('judges a teacher by the samples that it labels alone', () => {
    const truth = { ...judged, rows: 3, positions: 1, means: [1.5, 3.5] };
    const { outputs } = judged;
    const teachers = new Map(['a', 'b', 'c'].map((name) => [name, outputs]));
    const routes = [['a'], ['a', 'b', 'c'], ['b']];
    const sums = regressionFigures.teacherSums(truth, { teachers, ensemble: outputs, specialties: new Map(), routes });
    expect(sums).toMatchObject({
      samples: 2,
      'teacher.a.samples': 1,
      'teacher.a.spread': 1.25,
      'teacher.c.samples': 0,
    });
    expect(regressionFigures.figuresOf(sums, { teacher: 'a' })).toEqual({ r2: 1 - 1 / 1.25, mse: 1, mae: 1 });
    expect(regressionFigures.figuresOf(sums, { teacher: 'b' })).toEqual({ r2: 1 - 2 / 1.25, mse: 2, mae: 1 });
    expect(regressionFigures.figuresOf(sums, { teacher: 'c' })).toEqual({});
    expect(regressionFigures.figuresOf(sums, 'ensemble')).toEqual({ r2: 1 - 3 / 2.5, mse: 1.5, mae: 1 });
    expect(['a', 'b', 'c'].map((name) => regressionFigures.isGuessing(sums, name, 2))).toEqual([false, true, false]);
    const alike = regressionFigures.teacherSums(truth, { teachers, ensemble: outputs, specialties: new Map() });
    expect(Object.keys(alike)).not.toContain('teacher.a.samples');
  });

  it('wants a mean of each number', () => {
    expect(() => spreadAbout(judged, [1.5])).toThrow('1 means; one for number 1 was wanted');
  });
});

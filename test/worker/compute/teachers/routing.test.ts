import { describe, expect, it } from 'vitest';
import { isRouted } from '../../../../shared/labels/ensemble-digest.js';
import { teachersOf } from '../../../../worker/compute/teachers/routing.js';

const general = { weight: 1 };
const sample = { shard: 'a', row: 3, view: 0, label: 2 };
const draws = (count: number, change: (i: number) => Partial<typeof sample>, seed = 1): string[] =>
  Array.from({ length: count }, (_, i) =>
    teachersOf({ ...sample, ...change(i) }, [general, general, general], { size: 2, seed }).join(),
  );

describe('the teachers of a sample', () => {
  it('are all that have a weight, where there is no rule', () => {
    const teachers = [general, { weight: 0 }, { weight: 3 }];
    expect([isRouted(teachers, undefined), teachersOf(sample, teachers, undefined)]).toEqual([false, [0, 2]]);
  });

  it('are so many, in the order of the recipe, each as often as another', () => {
    const found = draws(3000, (row) => ({ row }));
    expect([...new Set(found)].sort()).toEqual(['0,1', '0,2', '1,2']);
    // 1000 each are expected, with a standard deviation of 26.
    for (const pair of new Set(found))
      expect(Math.abs(found.filter((one) => one === pair).length - 1000)).toBeLessThan(130);
  });

  it('are drawn by seed, shard, row and view alone', () => {
    const by = (change: (i: number) => Partial<typeof sample>, seed = 1): number =>
      new Set(draws(40, change, seed)).size;
    expect([
      by((row) => ({ row })),
      by((view) => ({ view })),
      by((i) => ({ shard: String(i) })),
      by((label) => ({ label })),
    ]).toEqual([3, 3, 3, 1]);
    expect(draws(40, (row) => ({ row }))).toEqual(draws(40, (row) => ({ row })));
    expect(draws(40, (row) => ({ row }), 2)).not.toEqual(draws(40, (row) => ({ row })));
  });

  it('are those who know its class, and those who know any', () => {
    const teachers = [{ weight: 1, specialist: [0, 2] }, general, { weight: 1, specialist: [1] }];
    expect([0, 1, 2, -1].map((label) => teachersOf({ ...sample, label }, teachers, undefined))).toEqual([
      [0, 1],
      [1, 2],
      [0, 1],
      [1],
    ]);
    expect(isRouted(teachers, undefined)).toBe(true);
    const drawn = Array.from({ length: 60 }, (_, row) =>
      teachersOf({ ...sample, row }, teachers, { size: 1, seed: 1 }).join(),
    );
    expect([...new Set(drawn)].sort()).toEqual(['0', '1']);
  });

  it('are all that there are, where more are asked for', () => {
    expect(teachersOf(sample, [general, { weight: 0 }], { size: 2, seed: 1 })).toEqual([0]);
  });
});

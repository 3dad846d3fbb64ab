/** Proposals: better than points that are only spread, the same again, and inside the space. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { closedForms, regretOf } from '../../../bench/search-functions.js';
import { median } from '../../../bench/programs.js';
import { ParzenEstimator } from '../../../cli/search/parzen.js';
import { propose } from '../../../cli/search/proposals.js';
import { choicesIn, coordinateOf, pointOf, valuesAt, type Dimension } from '../../../cli/search/space.js';
import { randomStream } from '../../../shared/random.js';

const seeds = Array.from({ length: 20 }, (_, seed) => seed);

describe('proposals by what was found', () => {
  it.each(['branin', 'mixed'] as const)('come nearer to the least value of %s than points that are spread', (name) => {
    const form = closedForms[name];
    const found = median(seeds.map((seed) => regretOf(form, seed, 40)));
    const spread = median(seeds.map((seed) => regretOf(form, seed, 40, 40)));
    expect(found).toBeLessThan(0.75 * spread);
  });

  it('are the same for the same seed and trials, and others for another seed', () => {
    const ranked = [
      [0.2, 1],
      [0.8, 0],
    ];
    const at = (seed: number): readonly number[] =>
      propose({ axes: [null, 2], seed, startup: 1 }, { trial: 5, attempt: 0 }, ranked);
    expect(at(3)).toEqual(at(3));
    expect(at(3)).not.toEqual(at(4));
  });

  it('lie in the space, whatever was found', () => {
    const axis = fc.constantFrom<number | null>(null, 2, 5);
    fc.assert(
      fc.property(fc.array(axis, { minLength: 1, maxLength: 4 }), fc.nat(40), fc.nat(12), (axes, trial, found) => {
        const spread = Array.from({ length: found }, (_, i) =>
          propose({ axes, seed: 1, startup: 99 }, { trial: i, attempt: 0 }, []),
        );
        const point = propose({ axes, seed: 2, startup: 3 }, { trial, attempt: trial % 3 }, spread);
        expect(point).toHaveLength(axes.length);
        point.forEach((x, d) => {
          const choices = axes[d] ?? null;
          expect(choices === null ? x >= 0 && x <= 1 : Number.isInteger(x) && x >= 0 && x < choices).toBe(true);
        });
      }),
    );
  });
});

describe('the density', () => {
  it.each([
    [[]],
    [[[0.1, 2]]],
    [
      [
        [0, 0],
        [1, 1],
        [0.5, 2],
      ],
    ],
  ])('has the mass 1 around %j', (points) => {
    const density = new ParzenEstimator([null, 3], points);
    const cells = 2000;
    let mass = 0;
    for (let choice = 0; choice < 3; choice++)
      for (let i = 0; i < cells; i++) mass += Math.exp(density.logDensity([(i + 0.5) / cells, choice])) / cells;
    expect(mass).toBeCloseTo(1, 4);
  });

  it('draws as it says: the share of draws in a part is the mass of the part', () => {
    const density = new ParzenEstimator([null], [[0.2], [0.25]]);
    const random = randomStream(['draws']);
    const draws = Array.from({ length: 20_000 }, () => density.sample(random)[0] ?? NaN);
    const mass = Array.from({ length: 400 }, (_, i) => Math.exp(density.logDensity([(i + 0.5) / 1000])) / 1000);
    const below = draws.filter((x) => x < 0.4).length / draws.length;
    expect(below).toBeCloseTo(
      mass.reduce((sum, one) => sum + one, 0),
      1.5,
    );
  });
});

const space: readonly Dimension[] = [
  { key: 'optimizer.learningRate', range: { from: 1e-4, to: 1e-2, scale: 'log', whole: false } },
  { key: 'batch.micro', range: { from: 8, to: 64, scale: 'linear', whole: true } },
  { key: 'ensemble.combine', range: { choices: ['logits', 'probabilities'] } },
];

describe('a point', () => {
  it('stands for values: by factors, whole, and of choices', () => {
    expect(valuesAt(space, [0.5, 0.501, 1])).toEqual({
      'optimizer.learningRate': 0.001,
      'batch.micro': 36,
      'ensemble.combine': 'probabilities',
    });
  });

  it('is found again from its values, and from none outside of the space', () => {
    const values = valuesAt(space, [0.25, 0.5, 0]);
    expect(pointOf(space, values)?.map((x) => Number(x.toFixed(3)))).toEqual([0.25, 0.5, 0]);
    expect(pointOf(space, { ...values, 'batch.micro': 8.5 })).toBeNull();
    expect(pointOf(space, { ...values, 'optimizer.learningRate': 0.02 })).toBeNull();
    expect(pointOf(space, { ...values, 'ensemble.combine': 'mean' })).toBeNull();
  });

  it('gives the ends at 0 and 1', () => {
    const [rate] = space;
    if (rate === undefined) throw new Error('no dimension');
    expect([coordinateOf(rate, 1e-4), coordinateOf(rate, 1e-2), choicesIn(rate)]).toEqual([0, 1, null]);
    expect(Object.values(valuesAt(space, [1, 1, 0]))).toEqual([0.01, 64, 'logits']);
  });
});

import { describe, expect, it } from 'vitest';
import { logitOf, logOf, mix, mixed, normaliseWeights, smallestProbability } from '../../../shared/ensemble/mixture.js';
import { reference } from '../../worker/compute/teachers/fixtures.js';

const { mixture, classes } = reference;
const weights = normaliseWeights(mixture.weights) ?? [];
const outputs = mixture.logits.map((logits, i) => ({
  logits_BC: Float32Array.from(logits),
  weight: weights[i] ?? 0,
  temperature: mixture.temperatures[i] ?? 1,
}));

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - (b[i] ?? Number.NaN))));
}

describe('logitOf', () => {
  it('undoes the logistic function, and is finite for 0 and 1', () => {
    const [low = NaN, high = NaN, ...others] = logitOf(Float32Array.of(0, 1, 0.5, 0.25, 1 / (1 + Math.exp(-3))));
    expect([low, high]).toEqual([
      Math.fround(Math.log(smallestProbability)),
      Math.fround(-Math.log(smallestProbability)),
    ]);
    others.forEach((logit, i) => expect(logit).toBeCloseTo([0, -Math.log(3), 3][i] ?? NaN, 5));
  });
});

describe('mix', () => {
  it.each(['logits', 'probabilities'] as const)(
    'combines %s as PyTorch does, each teacher at its own temperature',
    (combine) => {
      expect(largestDifference(mix(combine, outputs, classes), mixture.expected[combine])).toBeLessThan(1e-6);
    },
  );

  it('gives what is worked out by hand for two teachers and two classes', () => {
    const two = [
      { logits_BC: Float32Array.of(0, 2 * Math.log(3)), weight: 0.5, temperature: 2 },
      { logits_BC: Float32Array.of(0, 0), weight: 0.5, temperature: 1 },
    ];
    expect(Math.exp(mix('logits', two, 2)[1] ?? 0)).toBeCloseTo(Math.sqrt(3) / (1 + Math.sqrt(3)), 6);
    expect(Math.exp(mix('probabilities', two, 2)[1] ?? 0)).toBeCloseTo((0.75 + 0.5) / 2, 6);
  });

  it.each(['logits', 'probabilities'] as const)('gives rows that are log-probabilities, from %s', (combine) => {
    const out = mix(combine, outputs, classes);
    for (let at = 0; at < out.length; at += classes) {
      expect(out.subarray(at, at + classes).reduce((sum, logp) => sum + Math.exp(logp), 0)).toBeCloseTo(1, 6);
    }
  });

  it.each(['logits', 'probabilities'] as const)(
    'gives the same for one teacher as for it twice at half the weight, from %s',
    (combine) => {
      const [first] = outputs;
      if (first === undefined) throw new Error('no reference');
      const once = mix(combine, [{ ...first, weight: 1 }], classes);
      const twice = mix(
        combine,
        [
          { ...first, weight: 0.5 },
          { ...first, weight: 0.5 },
        ],
        classes,
      );
      expect(largestDifference(once, twice)).toBeLessThan(1e-6);
    },
  );

  it.each(['logits', 'probabilities'] as const)('stays finite for logits of a thousand, from %s', (combine) => {
    const sure = [{ logits_BC: Float32Array.of(1000, -1000, 0), weight: 1, temperature: 1 }];
    expect([...mix(combine, sure, 3)]).toEqual([0, -2000, -1000]);
  });

  it('leaves a teacher of weight 0 out, even one that gives NaN', () => {
    const broken = {
      logits_BC: new Float32Array(outputs[0]?.logits_BC.length ?? 0).fill(Number.NaN),
      weight: 0,
      temperature: 1,
    };
    expect(mix('logits', [...outputs, broken], classes)).toEqual(mix('logits', outputs, classes));
  });
});

describe('logOf', () => {
  it('clamps zeros at the smallest probability', () => {
    expect([...logOf(Float32Array.of(1, 0.5, 0))]).toEqual([
      0,
      Math.fround(Math.log(0.5)),
      Math.fround(Math.log(smallestProbability)),
    ]);
  });
});

describe('normaliseWeights', () => {
  it('scales weights to a sum of 1', () => expect(normaliseWeights([2, 1, 1])).toEqual([0.5, 0.25, 0.25]));
  it('refuses weights that are all 0', () => expect(normaliseWeights([0, 0])).toBeNull());
});

describe('mixed, where each sample has teachers of its own', () => {
  const teachers = [
    { name: 'a', weight: 3, temperature: null },
    { name: 'b', weight: 1, temperature: null },
  ];
  // [4 samples x 2 classes]; NaN where the teacher does not label the sample.
  const logits = new Map([
    ['a', Float32Array.of(0, 2 * Math.log(3), NaN, NaN, 0, 2 * Math.log(3), 0, 0)],
    ['b', Float32Array.of(NaN, NaN, 0, Math.log(9), 0, 2 * Math.log(27), NaN, NaN)],
  ]);
  const how = { combine: 'logits', classes: 2, teachers, routes_B: [['a'], ['b'], ['a', 'b'], ['a']] } as const;
  const secondOf = (values: Float32Array): number[] => [1, 3, 5, 7].map((at) => Math.exp(values[at] ?? NaN));

  it('weighs the teachers of a sample among themselves, as worked out by hand', () => {
    const found = secondOf(mixed({ kind: 'mixture', temperature: 2 }, (name) => logits.get(name), how));
    // 3 / 4 of log 3 and 1 / 4 of log 27, log 3 and a half, is what both say together of the third sample.
    const together = 3 ** 1.5;
    [3 / 4, 3 / 4, together / (1 + together), 1 / 2].forEach((p, i) => expect(found[i]).toBeCloseTo(p, 6));
  });

  it('gives the bits of the mixture of those teachers alone, and takes labels with their rows', () => {
    const labels_B = Int32Array.of(1, 1, 0, 1);
    const all = mixed({ kind: 'mixture', temperature: 2 }, (name) => logits.get(name), {
      ...how,
      by: 'label',
      labels_B,
    });
    const third = mixed({ kind: 'mixture', temperature: 2 }, (name) => logits.get(name)?.subarray(4, 6), {
      ...how,
      routes_B: undefined,
      by: 'label',
      labels_B: labels_B.subarray(2, 3),
    });
    expect(all.subarray(4, 6)).toEqual(third);
    expect(mixed({ kind: 'logits' }, (name) => logits.get(name), how).subarray(0, 2)).toEqual(
      logits.get('a')?.subarray(0, 2),
    );
  });
});

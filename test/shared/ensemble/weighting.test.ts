import { describe, expect, it } from 'vitest';
import { blend, type WeightedLogits } from '../../../shared/ensemble/mixture.js';
import { weightFactor, weightRules } from '../../../shared/ensemble/weighting.js';

const certain = Float32Array.of(20, 0, 0);
const uniform = Float32Array.of(3, 3, 3);
const half = Float32Array.of(Math.log(2), 0, 0);

describe('the factor of a weight', () => {
  it.each([
    ['confidence', uniform, undefined, 1 / 3],
    ['confidence', half, undefined, 1 / 2],
    ['entropy', uniform, undefined, 1 / 3],
    // H = log 2 / 2 + 2 (log 4) / 4 = 1.5 log 2
    ['entropy', half, undefined, 2 ** -1.5],
    ['label', half, 0, 1 / 2],
    ['label', half, 2, 1 / 4],
    ['label', half, -1, 1],
    ['label', half, undefined, 1],
  ] as const)('by %s, of %s with the label %s', (by, logits, label, expected) => {
    expect(weightFactor(by, logits, label)).toBeCloseTo(expected, 6);
  });

  it.each(weightRules)(
    'is 1 for a teacher that is certain, and the same for logits that are all shifted: by %s',
    (by) => {
      expect(weightFactor(by, certain, 0)).toBeCloseTo(1, 6);
      expect(
        weightFactor(
          by,
          half.map((u) => u + 1000),
          1,
        ),
      ).toBeCloseTo(weightFactor(by, half, 1), 4);
    },
  );

  it.each(weightRules)('stands extreme logits: by %s', (by) => {
    const factor = weightFactor(by, Float32Array.of(1e4, -1e4, 0), 1);
    expect(factor).toBeGreaterThanOrEqual(0);
    expect(factor).toBeLessThanOrEqual(1);
  });
});

describe('a mixture with weights for each sample', () => {
  const label = { kind: 'mixture', temperature: 2 } as const;
  const of = (...rows: Float32Array[]): Float32Array => Float32Array.from(rows.flatMap((row) => [...row]));
  const outputs = (first: Float32Array, second: Float32Array): WeightedLogits[] => [
    { logits_BC: first, weight: 0.5, temperature: null },
    { logits_BC: second, weight: 0.5, temperature: null },
  ];
  const how = { combine: 'probabilities', classes: 3 } as const;

  it('is that of the weights times the factors, row by row, whatever the neighbours', () => {
    const [first, second] = [of(half, uniform), of(uniform, certain)];
    const whole = blend(label, outputs(first, second), { ...how, by: 'confidence' });
    const row = (a: Float32Array, b: Float32Array, share: number): Float32Array =>
      blend(
        label,
        [
          { logits_BC: a, weight: share, temperature: null },
          { logits_BC: b, weight: 1 - share, temperature: null },
        ],
        how,
      );
    expect(whole.subarray(0, 3)).toEqual(row(half, uniform, 0.6));
    const alone = blend(label, outputs(uniform, certain), { ...how, by: 'confidence' });
    expect(whole.subarray(3)).toEqual(alone);
  });

  it('follows the teacher that knows the label, and is the plain one where a sample has none, or none is known', () => {
    const [first, second] = [of(half, half), of(Float32Array.of(-20, 0, 0), uniform)];
    const by = (labels_B?: Int32Array): Float32Array =>
      blend(label, outputs(first, second), { ...how, by: 'label', labels_B });
    const plain = blend(label, outputs(first, second), how);
    expect(by(Int32Array.of(-1, -1))).toEqual(plain);
    expect(by()).toEqual(plain);
    const sharp = by(Int32Array.of(0, -1));
    expect(sharp[0]).toBeGreaterThan(plain[0] ?? 0);
    expect(sharp.subarray(3)).toEqual(plain.subarray(3));
  });

  it('is the plain one where no teacher gives the label any chance', () => {
    const never = Float32Array.of(-1e5, 0, 0);
    expect(blend(label, outputs(never, never), { ...how, by: 'label', labels_B: Int32Array.of(0) })).toEqual(
      blend(label, outputs(never, never), how),
    );
  });

  it('leaves teachers of weight 0 out', () => {
    const one: WeightedLogits[] = [
      { logits_BC: half, weight: 1, temperature: null },
      { logits_BC: certain, weight: 0, temperature: null },
    ];
    expect(blend(label, one, { ...how, by: 'entropy' })).toEqual(blend(label, one.slice(0, 1), how));
  });
});

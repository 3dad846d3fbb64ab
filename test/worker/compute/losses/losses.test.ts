import { describe, expect, it } from 'vitest';
import { randomStream } from '../../../../shared/random.js';
import { crossEntropy } from '../../../../shared/losses/cross-entropy.js';
import { response } from '../../../../shared/losses/response.js';
import { logSoftmaxRow } from '../../../../shared/losses/math/softmax.js';
import { applicableTerms, totalLoss } from '../../../../worker/compute/losses/total.js';
import { SoftLabels } from '../../../../worker/compute/labels/soft-labels.js';
import { lossesAtStep } from '../../../shared/losses/at-step.js';
import { reference } from '../../runs/reference.js';

const { logits, labels, classes, cases } = reference.losses;
const rows = labels.length;
const logits_BC = Float32Array.from(logits);
const labels_B = Int32Array.from(labels);

interface Evaluated {
  readonly values: number[];
  readonly gradient: number[];
}

function evaluate(
  term: 'crossEntropy' | 'response',
  option: number,
  z: Float32Array,
  logP: Float32Array,
  scale = 1,
): Evaluated {
  const gradient_BC = new Float64Array(z.length);
  const input = { logits_BC: z, classes, labels_B, target_BC: logP, temperature: option, scale, gradient_BC };
  const { values_B } =
    term === 'response' ? response.compute(input, {}) : crossEntropy.compute(input, { labelSmoothing: option });
  return { values: [...values_B], gradient: [...gradient_BC] };
}

function logSoftmax(z: readonly number[] | Float32Array, temperature: number): Float32Array {
  const source = Float32Array.from(z);
  const out = new Float32Array(source.length);
  const row = new Float64Array(classes);
  for (let r = 0; r < source.length / classes; r++) {
    logSoftmaxRow(source, r, temperature, row);
    out.set(row, r * classes);
  }
  return out;
}

function noise(size: number, scale: number, key: string): Float32Array {
  const stream = randomStream([key]);
  return Float32Array.from({ length: size }, () => (2 * stream.float() - 1) * scale);
}

/** Made already, by name. */
function softLabels(named: Readonly<Record<string, Float32Array>>): SoftLabels {
  return new SoftLabels(new Map(Object.entries(named)), { combine: 'logits', classes, teachers: [] });
}

const teacher = noise(rows * classes, 5, 'teacher');

describe('losses', () => {
  it.each(cases)(
    '$term with option $option equals PyTorch in values and gradients',
    ({ term, option, values, gradient, logP }) => {
      const ours = evaluate(term, option, logits_BC, Float32Array.from(logP ?? []));
      ours.values.forEach((value, i) =>
        expect(Math.abs(value - (values[i] ?? NaN))).toBeLessThan(2e-6 * Math.max(1, Math.abs(value))),
      );
      ours.gradient.forEach((value, i) =>
        expect(Math.abs(value - (gradient[i] ?? NaN))).toBeLessThan(2e-6 * Math.max(1, option)),
      );
    },
  );

  it('a class that the teacher excludes adds nothing but its own pull', () => {
    const { values, gradient } = evaluate(
      'response',
      2,
      Float32Array.of(1, 2, 3, 4, 5),
      Float32Array.of(-Infinity, 0, -Infinity, -Infinity, -Infinity),
    );
    const q = logSoftmax([1, 2, 3, 4, 5], 2);
    expect(values[0]).toBeCloseTo(-4 * (q[1] ?? 0), 4);
    expect(gradient[0]).toBeCloseTo(2 * Math.exp(q[0] ?? 0), 6);
  });

  it('logits of 10,000 give finite values and gradients', () => {
    const huge = Float32Array.from({ length: rows * classes }, (_, i) => (i % 2 === 0 ? 1e4 : -1e4));
    for (const term of ['crossEntropy', 'response'] as const) {
      const { values, gradient } = evaluate(term, term === 'response' ? 1 : 0, huge, logSoftmax(teacher, 1));
      expect([...values, ...gradient].every(Number.isFinite)).toBe(true);
    }
    const wrong = evaluate(
      'crossEntropy',
      0,
      Float32Array.from({ length: rows * classes }, (_, i) => (i % classes === 0 ? -1e4 : 1e4)),
      teacher,
    );
    expect(wrong.values[0]).toBeCloseTo(20000 + Math.log(classes - 1), 1);
  });

  it('a sample without a label takes no part in cross entropy', () => {
    const { values, gradient } = evaluate('crossEntropy', 0.1, logits_BC, teacher);
    labels.forEach((label, row) => {
      if (label >= 0) return;
      expect(values[row]).toBe(0);
      expect(gradient.slice(row * classes, (row + 1) * classes).every((value) => value === 0)).toBe(true);
    });
  });
});

describe('the total loss', () => {
  const losses = lossesAtStep({ crossEntropy: { weight: 0.3 }, response: { weight: 0.7, temperature: 4 } });
  const logP_BC = logSoftmax(teacher, 4);
  const targets = { labels: labels_B, soft: softLabels({ 'T=4': logP_BC }) };

  it('is the plain weighted sum of its terms over their divisors', () => {
    const divisors = { crossEntropy: 11, response: 13 };
    const { sums, gradient_BC } = totalLoss({ logits_BC, classes }, targets, { losses, divisors });
    const parts = [
      evaluate('crossEntropy', 0, logits_BC, logP_BC, 0.3 / 11),
      evaluate('response', 4, logits_BC, logP_BC, 0.7 / 13),
    ];
    gradient_BC.forEach((value, i) =>
      expect(value).toBe(Math.fround((parts[0]?.gradient[i] ?? 0) + (parts[1]?.gradient[i] ?? 0))),
    );
    expect(sums.crossEntropy).toBe(parts[0]?.values.reduce((a, b) => a + b, 0));
    expect(sums.response).toBe(parts[1]?.values.reduce((a, b) => a + b, 0));
    expect(sums).toMatchObject({ 'crossEntropy.count': 4, 'response.count': 6, labelled: 4 });
  });

  it('counts the labelled samples whose largest logit is the label', () => {
    const z = Float32Array.from({ length: rows * classes }, (_, i) =>
      i % classes === labels[Math.floor(i / classes)] && i >= classes ? 1 : 0,
    );
    const divisors = { crossEntropy: 1, response: 1 };
    expect(totalLoss({ logits_BC: z, classes }, targets, { losses, divisors }).sums).toMatchObject({
      correct: 4,
      labelled: 4,
    });
    expect(
      totalLoss({ logits_BC: z.map((value) => -value), classes }, targets, { losses, divisors: { response: 1 } }).sums,
    ).toMatchObject({ correct: 1, labelled: 4 });
  });

  it.each([
    ['no label and no soft label', { labels: Int32Array.of(-1, -1), soft: null }, { crossEntropy: 5, response: 5 }, []],
    ['a divisor of 0', { labels: Int32Array.of(0, 1), soft: null }, { crossEntropy: 0 }, []],
    ['labels alone', { labels: Int32Array.of(0, -1), soft: null }, { crossEntropy: 4, response: 5 }, ['crossEntropy']],
    [
      'soft labels alone',
      { labels: Int32Array.of(-1, -1), soft: softLabels({ 'T=4': new Float32Array(2 * classes) }) },
      { crossEntropy: 4, response: 5 },
      ['response'],
    ],
  ] as const)('has with %s the terms that apply and no others', (_, some, divisors, expected) => {
    expect(applicableTerms(some, { losses, divisors }).map(({ term }) => term.name)).toEqual(expected);
  });
});

/**
 * Every term on pairs of activations, through the total loss: against PyTorch (test/reference/pair_losses.py), finite
 * differences, invariances and edges.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { totalLoss } from '../../../../worker/compute/losses/total.js';
import { lossesAtStep } from '../../../shared/losses/at-step.js';
import { lossesOn, rowOf } from './rows.js';

interface Side {
  readonly shape: number[];
  readonly values: number[];
}

interface Case {
  readonly term: string;
  readonly sides: string;
  readonly options: Record<string, unknown>;
  readonly rows: number;
  readonly student: Side;
  readonly teacher: Side;
  readonly values: number[];
  readonly gradient: number[];
}

const { cases } = JSON.parse(
  readFileSync(new URL('../../../reference/data/pair_losses.json', import.meta.url), 'utf8'),
) as { cases: Case[] };
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

function evaluate(
  { term, options, rows, student, teacher }: Omit<Case, 'values' | 'gradient' | 'sides'>,
  weight = 1,
  divisor = 1,
): { value: number; gradient: Float32Array } {
  const losses = lossesAtStep({
    [term]: {
      ...options,
      weight,
      ...(term === 'selfDistillation' ? { from: ['s'], to: 't' } : { pairs: [{ student: 's', teacher: 'a/t' }] }),
    },
  });
  const activation = (side: Side): { values: Float32Array; shape: number[] } => ({
    values: Float32Array.from(side.values),
    shape: side.shape,
  });
  const pairs = new Map([[`${term}/0`, { student: activation(student), teacher: activation(teacher) }]]);
  const { sums, pairGradients } = totalLoss(
    { logits_BC: new Float32Array(rows), classes: 1, pairs },
    { labels: new Int32Array(rows).fill(-1), soft: null },
    { losses, divisors: { [term]: divisor } },
  );
  return { value: sums[term] ?? NaN, gradient: pairGradients.get(`${term}/0`) ?? new Float32Array(0) };
}

describe('every loss term on pairs of activations', () => {
  it.each(cases)('$term $options of $sides has the value and the gradient of PyTorch', (one) => {
    const { value, gradient } = evaluate(one);
    expect(Math.abs(value - sum(one.values))).toBeLessThan(1e-5 * Math.max(1, Math.abs(sum(one.values))));
    const scale = Math.max(1, ...one.gradient.map(Math.abs));
    expect(gradient.length).toBe(one.gradient.length);
    gradient.forEach((slope, i) => expect(Math.abs(slope - (one.gradient[i] ?? NaN))).toBeLessThan(1e-5 * scale));
  });

  it.each(cases.filter(({ sides }) => sides.endsWith('vectors') || sides.startsWith('maps of')))(
    '$term $options of $sides has the gradient that finite differences find',
    (one) => {
      const { gradient } = evaluate(one, 0.5, 4);
      const step = 2 ** -8;
      const valueAt = (i: number, off: number): number =>
        (0.5 / 4) *
        evaluate({
          ...one,
          student: { ...one.student, values: one.student.values.map((x, k) => (k === i ? Math.fround(x) + off : x)) },
        }).value;
      const scale = Math.max(0.1, ...gradient.map(Math.abs));
      for (let i = 0; i < gradient.length; i += 3)
        expect(Math.abs((valueAt(i, step) - valueAt(i, -step)) / (2 * step) - (gradient[i] ?? NaN))).toBeLessThan(
          2e-2 * scale,
        );
    },
  );

  it.each(cases)('$term $options of $sides and its gradient are 0 for a student that equals its teacher', (one) => {
    const { value, gradient } = evaluate({ ...one, student: one.teacher });
    expect(Math.abs(value)).toBeLessThan(1e-6);
    gradient.forEach((slope) => expect(Math.abs(slope)).toBeLessThan(1e-6));
  });

  it.each(cases)('$term $options of $sides is the same whatever the order of the samples', (one) => {
    const turned = (side: Side): Side => {
      const size = side.values.length / one.rows;
      return {
        ...side,
        values: Array.from({ length: one.rows }, (_, row) =>
          side.values.slice((one.rows - 1 - row) * size, (one.rows - row) * size),
        ).flat(),
      };
    };
    const { value } = evaluate({ ...one, student: turned(one.student), teacher: turned(one.teacher) });
    expect(Math.abs(value - evaluate(one).value)).toBeLessThan(1e-5 * Math.max(1, Math.abs(value)));
  });

  it.each(lossesOn('pairs'))('%s takes from a sample what is its own, unless it relates samples', (term) => {
    const one = cases.find((candidate) => candidate.term === term);
    if (one === undefined) throw new Error(`no case of ${term}`);
    const first = (side: Side): Side => ({ ...side, values: side.values.slice(0, side.values.length / one.rows) });
    const [whole, own] = [
      evaluate(one).gradient,
      evaluate({ ...one, rows: 1, student: first(one.student), teacher: first(one.teacher) }).gradient,
    ];
    const isSame = own.every((slope, i) => slope === whole[i]);
    expect(isSame).toBe(!rowOf(term).relates);
  });

  it.each(lossesOn('pairs'))(
    '%s adds up over its pairs, each gradient going to its own; weight and divisor are plain factors',
    (term) => {
      const one = cases.find((candidate) => candidate.term === term);
      if (one === undefined) throw new Error(`no case of ${term}`);
      const [plain, scaled] = [evaluate(one), evaluate(one, 4, 8)];
      expect(scaled.value).toBe(plain.value);
      expect(scaled.gradient).toEqual(plain.gradient.map((slope) => slope / 2));
    },
  );

  const zeros = [0, 0, 0, 0, 0, 0, 0, 0];
  it.each(
    lossesOn('pairs').flatMap(
      (term) =>
        [
          [term, 'zeros', zeros, zeros],
          [term, 'equal samples', [1, 2, 3, 4, 1, 2, 3, 4], [4, 3, 2, 1, 4, 3, 2, 1]],
          [term, 'opposite samples', [1, 2, 3, 4, -1, -2, -3, -4], zeros],
          [term, 'values of 1e4', zeros.map((_, i) => (i % 2 === 0 ? 1e4 : -1e4)), zeros.map((_, i) => 1e4 * i)],
          [term, 'values of 1e-20', zeros.map((_, i) => i * 1e-20), zeros.map((_, i) => 1e-20 / (i + 1))],
        ] as const,
    ),
  )('%s is finite for %s', (term, _, student, teacher) => {
    for (const rows of [1, 2]) {
      const cut = (values: readonly number[]): Side => ({ shape: [2, 1, 2], values: values.slice(0, 4 * rows) });
      const { value, gradient } = evaluate({ term, options: {}, rows, student: cut(student), teacher: cut(teacher) });
      expect(value).toSatisfy(Number.isFinite);
      expect(gradient.every(Number.isFinite)).toBe(true);
    }
  });
});

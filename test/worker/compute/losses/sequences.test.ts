/**
 * Losses of sequences: each position is a row of its own, and one that does not count is no part of sum, divisor or
 * gradient.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { divisorsOf } from '../../../../coordinator/plan/units.js';
import { toSequences } from '../../../../cli/prepare/sources/annotations.js';
import type { BuiltInLoss } from '../../../../shared/losses/table.js';
import { lossSchema } from '../../../../shared/recipe/loss-schema.js';
import { lossesAt } from '../../../../shared/recipe/schedules.js';
import { totalLoss, type TotalLoss } from '../../../../worker/compute/losses/total.js';
import { SoftLabels } from '../../../../worker/compute/labels/soft-labels.js';
import { lossesOn, lossOf } from './rows.js';

interface Reference {
  readonly rows: number;
  readonly positions: number;
  readonly classes: number;
  readonly logits: number[];
  readonly teacher: number[];
  readonly labels: number[];
  readonly mask: number[];
  readonly cases: readonly {
    readonly term: 'crossEntropy' | 'response' | 'logitMse' | 'features';
    readonly options: object;
    readonly value: number;
    readonly gradient: number[];
  }[];
}
const reference = JSON.parse(
  readFileSync(new URL('../../../reference/data/sequences.json', import.meta.url), 'utf8'),
) as Reference;
const { classes, cases } = reference;

type Setting = Pick<Reference, 'rows' | 'positions' | 'logits' | 'teacher' | 'labels' | 'mask'>;

const optionsOf = (term: BuiltInLoss, options: object): object => ({
  [term]: { weight: 1, ...options, ...(term === 'features' ? { pairs: [{ student: 'a', teacher: 't/b' }] } : {}) },
});

/** What a step on these samples alone has: the divisor is the coordinator's. */
function loss(
  term: BuiltInLoss,
  options: object,
  { rows, positions, logits, teacher, labels, mask }: Setting,
): TotalLoss & { readonly divisor: number } {
  const read = toSequences('x', { labels, mask, paddingLabel: -100, positions, samples: rows, weights: undefined });
  const losses = lossSchema.parse(optionsOf(term, options));
  const divisors = divisorsOf(
    { kind: 'train', step: 0, epoch: 0, from: 0, to: rows, microBatches: 1 },
    {
      losses,
      labels: read.labels,
      weights: read.weights,
      positions,
      sampleAt: (_, position) => position,
    },
  );
  const soft = new SoftLabels(new Map([['teacher:t', Float32Array.from(teacher)]]), {
    combine: 'logits',
    classes,
    teachers: [{ name: 't', weight: 1, temperature: null }],
  });
  const z = Float32Array.from(logits);
  const pairs = new Map(
    term === 'features'
      ? [
          [
            'features/0',
            {
              student: { values: z, shape: [classes] },
              teacher: { values: Float32Array.from(teacher), shape: [classes] },
            },
          ],
        ]
      : [],
  );
  const found = totalLoss(
    { logits_BC: z, classes, pairs },
    { labels: read.labels, weights: read.weights, isSequence: true, soft },
    { losses: lossesAt(losses), divisors },
  );
  return { ...found, divisor: divisors[term] ?? NaN };
}

const gradientOf = (term: BuiltInLoss, { gradient_BC, pairGradients }: TotalLoss): number[] => [
  ...(term === 'features' ? (pairGradients.get('features/0') ?? []) : gradient_BC),
];

describe('a loss of sequences', () => {
  it.each(cases)(
    "$term $options is PyTorch's mean over the positions that count, value and gradient",
    ({ term, options, value, gradient }) => {
      const found = loss(term, options, reference);
      expect(Math.abs((found.sums[term] ?? NaN) / found.divisor - value)).toBeLessThan(
        1e-5 * Math.max(1, Math.abs(value)),
      );
      gradientOf(term, found).forEach((slope, i) => expect(Math.abs(slope - (gradient[i] ?? NaN))).toBeLessThan(1e-5));
    },
  );

  it('has the positions that count for its divisor, of labels those with one', () => {
    expect(
      [loss('response', {}, reference), loss('crossEntropy', {}, reference)].map(({ divisor, sums }) => [
        divisor,
        sums['response.count'] ?? sums['crossEntropy.count'],
      ]),
    ).toEqual([
      [7, 7],
      [6, 6],
    ]);
  });

  // Every term that goes with sequences, on logits.
  const onLogits = lossesOn('answer').filter((term) => lossOf(term).tasks?.includes('sequence') ?? true);
  it.each([...onLogits, 'features' as const])(
    '%s is the same to the bit when sequences are padded with positions that do not count, whatever they hold',
    (term) => {
      const { rows, positions } = reference;
      const pad = (values: readonly number[], width: number, with_: (i: number) => number): number[] =>
        Array.from({ length: rows }, (_, row) => [
          ...values.slice(row * positions * width, (row + 1) * positions * width),
          ...Array.from({ length: 3 * width }, (_unused, i) => with_(i)),
        ]).flat();
      const padded = {
        rows,
        positions: positions + 3,
        logits: pad(reference.logits, classes, (i) => 1e3 * Math.sin(i)),
        teacher: pad(reference.teacher, classes, (i) => 50 * Math.cos(i)),
        labels: pad(reference.labels, 1, () => -100),
        mask: pad(reference.mask, 1, () => 0),
      };
      const [before, after] = [loss(term, {}, reference), loss(term, {}, padded)];
      expect([after.sums[term], after.sums[`${term}.count`], after.divisor]).toEqual([
        before.sums[term],
        before.sums[`${term}.count`],
        before.divisor,
      ]);
      const found = gradientOf(term, after);
      const inner = Array.from({ length: rows }, (_, row) =>
        found.slice(row * (positions + 3) * classes, (row * (positions + 3) + positions) * classes),
      ).flat();
      expect(inner).toEqual(gradientOf(term, before));
      expect(inner.some((slope) => slope !== 0)).toBe(true);
      expect(
        found.filter((_, i) => Math.floor(i / classes) % (positions + 3) >= positions).every((slope) => slope === 0),
      ).toBe(true);
      expect(after.sums['ensemble.samples']).toBe(before.sums['ensemble.samples']);
      if (term === 'response') expect(after.sums['ensemble.samples']).toBe(7);
    },
  );

  it.each([...onLogits, 'features' as const])('%s is 0, with its gradient, where no position counts', (term) => {
    const { sums, divisor, ...found } = loss(term, {}, { ...reference, mask: reference.mask.map(() => 0) });
    expect([divisor, sums[term] ?? 0]).toEqual([0, 0]);
    expect(gradientOf(term, { sums, ...found }).every((slope) => slope === 0)).toBe(true);
  });

  it("is weighed by its samples' weights at every position", () => {
    const read = toSequences('x', {
      labels: [0, 1, 2, 3],
      mask: [1, 0, 1, 1],
      paddingLabel: 3,
      positions: 2,
      samples: 2,
      weights: Float32Array.of(2, 0.5),
    });
    expect([[...read.labels], [...(read.weights ?? [])]]).toEqual([
      [0, -1, 2, -1],
      [2, 0, 0.5, 0],
    ]);
  });
});

/**
 * Sample weights, for every term that has a part for each sample: a row of weight 2 is that row twice, one of weight 0
 * is none.
 */
import { describe, expect, it } from 'vitest';
import type { BuiltInLoss } from '../../../../shared/losses/table.js';
import type { Targets } from '../../../../worker/compute/contract.js';
import { totalLoss, type TotalLoss } from '../../../../worker/compute/losses/total.js';
import { SoftLabels } from '../../../../worker/compute/labels/soft-labels.js';
import { lossesAtStep } from '../../../shared/losses/at-step.js';
import { lossNames, lossOf, rowOf, vectorTaskOf } from './rows.js';

const classes = 3;
const noise = (row: number, k: number, use: number): number => Math.sin(7 * row + 3 * k + 11 * use);
const matrix = (ids: readonly number[], use: number): Float32Array =>
  Float32Array.from(ids.flatMap((id) => Array.from({ length: classes }, (_, k) => 2 * noise(id, k, use))));
const labels = [0, 2, -1, 1];
const weights = [2, 1, 0, 0.5];
/** [channels last] maps of 2 x 2 with three channels. */
const maps = (ids: readonly number[], use: number) => ({
  values: Float32Array.from(ids.flatMap((id) => Array.from({ length: 12 }, (_, k) => noise(id, k, use)))),
  shape: [2, 2, 3],
});

function loss(term: BuiltInLoss, ids: readonly number[], given: Pick<Targets, 'weights' | 'mixed'> = {}): TotalLoss {
  const options =
    term === 'selfDistillation'
      ? { from: ['a'], to: 'b' }
      : lossOf(term).on === 'pairs'
        ? { pairs: [{ student: 'a', teacher: 't/b' }] }
        : {};
  const soft = new SoftLabels(
    new Map([
      ['teacher:t', matrix(ids, 2)],
      ['logits', matrix(ids, 2)],
      ...[1, 4, 20].map((t) => [`T=${t}`, logSoftmax(matrix(ids, 2), t)] as const),
    ]),
    { combine: 'logits', classes, teachers: [{ name: 't', weight: 1, temperature: null }] },
  );
  // Mixed vectors are of samples that all have one.
  const own = vectorTaskOf(term) !== undefined && given.mixed !== undefined ? [0, 0, 0, 0] : labels;
  const vectors =
    vectorTaskOf(term) === undefined
      ? {}
      : { vectors: matrix(ids, 6).map((value) => (vectorTaskOf(term) === 'regression' ? value : Number(value > 0))) };
  return totalLoss(
    {
      logits_BC: matrix(ids, 1),
      classes,
      exits: [matrix(ids, 3)],
      pairs: new Map([[`${term}/0`, { student: maps(ids, 4), teacher: maps(ids, 5) }]]),
    },
    { labels: Int32Array.from(ids, (id) => own[id] ?? -1), ...vectors, soft, ...given },
    { losses: lossesAtStep({ [term]: { ...options, weight: 3 } }), divisors: { [term]: 2 } },
  );
}

function logSoftmax(values: Float32Array, t: number): Float32Array {
  return values.map((value, i) => {
    const row = values.subarray(i - (i % classes), i - (i % classes) + classes);
    return value / t - Math.log(row.reduce((sum, u) => sum + Math.exp(u / t), 0));
  });
}

const all = [0, 1, 2, 3];
const gradients = ({ gradient_BC, exitGradients, pairGradients }: TotalLoss): number[][] =>
  [gradient_BC, ...exitGradients, ...pairGradients.values()].map((gradient) => [...(gradient ?? [])]);

describe.each(lossNames.filter((term) => lossOf(term).isAmongSamples !== true))('%s', (term) => {
  const alone = all.map((id) => loss(term, [id]));
  const near = (found: number, wanted: number): void =>
    expect(Math.abs(found - wanted)).toBeLessThan(1e-5 * Math.max(1, Math.abs(wanted)));

  it("is, value and gradient, the weighted sum of its samples' own, and counts their weights", () => {
    const found = loss(term, all, { weights: Float32Array.from(weights) });
    near(
      found.sums[term] ?? NaN,
      all.reduce((sum, id) => sum + (weights[id] ?? 0) * (alone[id]?.sums[term] ?? 0), 0),
    );
    expect(found.sums[`${term}.count`]).toBe(
      all.reduce(
        (sum, id) => (lossOf(term).over === 'labelled' && (labels[id] ?? -1) < 0 ? sum : sum + (weights[id] ?? 0)),
        0,
      ),
    );
    gradients(found).forEach((gradient, output) => {
      const size = gradient.length / all.length;
      gradient.forEach((slope, at) =>
        near(
          slope,
          (weights[Math.floor(at / size)] ?? 0) *
            (gradients(alone[Math.floor(at / size)] ?? found)[output]?.[at % size] ?? 0),
        ),
      );
    });
  });

  it('is the same with weights of 1 as without', () => {
    const [plain, ones] = [loss(term, all), loss(term, all, { weights: new Float32Array(4).fill(1) })];
    near(ones.sums[term] ?? NaN, plain.sums[term] ?? NaN);
    gradients(ones).forEach((gradient, output) =>
      gradient.forEach((slope, at) => near(slope, gradients(plain)[output]?.[at] ?? NaN)),
    );
  });

  it('counts every weight once where rows are mixed', () => {
    const partner = [1, 3, 0, 2];
    const mixed = {
      labels: Int32Array.from(partner, (id) => labels[id] ?? -1),
      weights: Float32Array.from(partner, (id) => weights[id] ?? 1),
      share: 0.75,
    };
    const found = loss(term, all, { weights: Float32Array.from(weights), mixed });
    const sum = (of: (id: number) => number): number => all.reduce((total, id) => total + of(id), 0);
    if (lossOf(term).over === 'labelled') expect(found.sums[`${term}.count`]).toBe(3.5);
    else
      expect(found.sums[`${term}.count`]).toBeCloseTo(
        sum((id) => 0.75 * (weights[id] ?? 0) + 0.25 * (weights[partner[id] ?? 0] ?? 0)),
        6,
      );
  });
});

describe('terms among samples', () => {
  it('are those whose samples depend on each other', () => {
    expect(lossNames.filter((term) => lossOf(term).isAmongSamples === true)).toEqual(
      lossNames.filter((term) => rowOf(term).relates),
    );
  });
});

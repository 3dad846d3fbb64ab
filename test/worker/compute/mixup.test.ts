import { describe, expect, it } from 'vitest';
import type { PluginLoss } from '../../../worker/compute/losses/plugin.js';
import { totalLoss } from '../../../worker/compute/losses/total.js';
import { mixUp } from '../../../worker/compute/mixup.js';
import { lossesAtStep } from '../../shared/losses/at-step.js';

const rows = 6;
const inputs = Float32Array.from({ length: rows * 2 }, (_, i) => 2 ** i);
const labels = Int32Array.from([0, 1, 2, -1, 1, 0]);

describe('mixup', () => {
  it('mixes each sample with one other by one share, and says whose label that is', () => {
    const mixed = mixUp({ inputs, labels }, 1, [7, 'mixup', 0, 0]);
    expect(mixed.share).toBeGreaterThanOrEqual(0.5);
    expect(mixed.share).toBeLessThanOrEqual(1);
    const partners = Array.from({ length: rows }, (_, row) => {
      const other = ((mixed.inputs[2 * row] ?? 0) - mixed.share * (inputs[2 * row] ?? 0)) / (1 - mixed.share);
      return inputs.findIndex((value) => Math.abs(value / other - 1) < 1e-4) / 2;
    });
    expect([...partners].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    expect([...mixed.labels]).toEqual(partners.map((partner) => labels[partner]));
  });

  it('depends on its key alone, and leaves its arguments as they are', () => {
    const before = inputs.slice();
    expect(mixUp({ inputs, labels }, 0.4, ['a'])).toEqual(mixUp({ inputs, labels }, 0.4, ['a']));
    expect(mixUp({ inputs, labels }, 0.4, ['a']).share).not.toBe(mixUp({ inputs, labels }, 0.4, ['b']).share);
    expect(inputs).toEqual(before);
  });

  it.each([
    [0.2, 1.4],
    [1, 3],
    [4, 9],
  ] as const)('draws shares of Beta(alpha, alpha): alpha %d, a variance of 1 / (4 x %d)', (alpha, inverse) => {
    // Var Beta(a, a) = 1 / (4 (2 a + 1)), about the mean 1/2 whichever of both sides counts as the own one.
    const shares = Array.from(
      { length: 4000 },
      (_, i) => mixUp({ inputs: new Float32Array(1), labels: new Int32Array(1) }, alpha, [i]).share,
    );
    const variance = shares.reduce((sum, share) => sum + (share - 0.5) ** 2, 0) / shares.length;
    expect(variance * 4 * inverse).toBeCloseTo(1, 1);
  });
});

describe('target vectors of mixtures', () => {
  it('are mixed as the inputs are', () => {
    const mixed = mixUp({ inputs, labels: new Int32Array(rows), vectors: inputs.map((value) => 3 * value) }, 1, ['k']);
    expect(mixed.vectors).toHaveLength(2 * rows);
    mixed.vectors?.forEach((value, i) => expect(value / (3 * (mixed.inputs[i] ?? NaN))).toBeCloseTo(1, 6));
  });

  it("are what terms aim at: the median of a mixture is not its own sample's", () => {
    const losses = lossesAtStep({ regression: { weight: 1, distance: 'l1' } });
    const z = Float32Array.of(0.5, 2);
    const targets = {
      labels: Int32Array.of(0, 0),
      vectors: Float32Array.of(1, 1),
      weights: Float32Array.of(2, 4),
      soft: null,
      mixed: { labels: Int32Array.of(0, 0), weights: Float32Array.of(4, 2), share: 0.75 },
    };
    const { sums, gradient_BC } = totalLoss({ logits_BC: z, classes: 1 }, targets, {
      losses,
      divisors: { regression: 2 },
    });
    // Weights 0.75 x 2 + 0.25 x 4 and 0.75 x 4 + 0.25 x 2; errors 0.5 and 1.
    expect(sums).toMatchObject({ regression: 2.5 * 0.5 + 3.5, 'regression.count': 6 });
    expect([...gradient_BC]).toEqual([-1.25, 1.75]);
  });
});

describe('terms over labels of mixtures', () => {
  const logits = Float32Array.from([1, -1, 0.5, 0, 2, -0.5]);
  const step = { losses: lossesAtStep({ crossEntropy: { weight: 2 } }), divisors: { crossEntropy: 2 } };
  const loss = (own: readonly number[], mixed?: { labels: Int32Array; share: number }): ReturnType<typeof totalLoss> =>
    totalLoss(
      { logits_BC: logits, classes: 3 },
      { labels: Int32Array.from(own), soft: null, ...(mixed === undefined ? {} : { mixed }) },
      step,
    );

  it("are both labels' terms by their shares, value and gradient", () => {
    const both = loss([0, 2], { labels: Int32Array.from([2, 0]), share: 0.75 });
    const [own, other] = [loss([0, 2]), loss([2, 0])];
    expect(both.sums.crossEntropy).toBeCloseTo(
      0.75 * (own.sums.crossEntropy ?? 0) + 0.25 * (other.sums.crossEntropy ?? 0),
      6,
    );
    both.gradient_BC.forEach((value, i) =>
      expect(value).toBeCloseTo(0.75 * (own.gradient_BC[i] ?? 0) + 0.25 * (other.gradient_BC[i] ?? 0), 6),
    );
  });

  it('count every label once, also where a partner has none', () => {
    const { sums } = loss([0, -1], { labels: Int32Array.from([-1, 0]), share: 0.75 });
    const alone = Array.from({ length: 2 }, (_, row) => loss(row === 0 ? [0, -1] : [-1, 0]).sums.crossEntropy ?? 0);
    expect(sums['crossEntropy.count']).toBe(1);
    expect(sums.crossEntropy).toBeCloseTo(0.75 * (alone[0] ?? 0) + 0.25 * (alone[1] ?? 0), 6);
  });

  it('of a plug-in are given both labels in turn, whatever samples it is over', () => {
    const ownPlugin: PluginLoss = (input) => ({
      values: Array.from(input.labels, (label) => 10 + label),
      gradient: Array.from({ length: 6 }, (_, i) => input.labels[Math.floor(i / 3)] ?? 0),
    });
    const losses = lossesAtStep({ plugins: { own: { weight: 1 } } });
    const targets = { labels: Int32Array.of(0, 2), soft: null, mixed: { labels: Int32Array.of(2, 0), share: 0.75 } };
    const { sums, gradient_BC } = totalLoss({ logits_BC: logits, classes: 3 }, targets, {
      losses,
      divisors: { 'plugins.own': 2 },
      plugins: new Map([['own', ownPlugin]]),
    });
    expect(sums).toMatchObject({ 'plugins.own': 22, 'plugins.own.count': 2 });
    expect([...gradient_BC]).toEqual([0.25, 0.25, 0.25, 0.75, 0.75, 0.75]);
  });
});

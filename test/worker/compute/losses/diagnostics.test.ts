import { describe, expect, it } from 'vitest';
import { againstEnsemble, norm } from '../../../../worker/compute/losses/diagnostics.js';
import { calibrationGaps, classifierReport } from '../../../../shared/figures/classification.js';

describe('diagnostics', () => {
  it('count rows of the same class, and sum entropies; a probability of 0 adds none', () => {
    const labels = Float32Array.from([Math.log(0.5), Math.log(0.5), -Infinity, -Infinity, 0, -Infinity]);
    const found = againstEnsemble({
      logits_BC: Float32Array.from([1, 0, 0, 3, 2, 1]),
      labels_BC: labels,
      classes: 3,
    });
    expect(found).toMatchObject({ 'ensemble.agree': 1, 'ensemble.samples': 2 });
    expect(found['ensemble.entropy']).toBeCloseTo(Math.log(2), 6);
  });

  it('take the norm over all parts', () => {
    expect(norm([[3], Float32Array.from([4, 12])])).toBe(13);
  });

  it('give calibration gaps that add up over parts to those of the whole', () => {
    const logits = Float32Array.from({ length: 60 }, (_, i) => Math.sin(7 * i) * 3);
    const labels = Int32Array.from({ length: 20 }, (_, i) => (i % 7 === 0 ? -1 : i % 3));
    const sum = new Map<number, number>();
    for (const [from, to] of [
      [0, 6],
      [6, 20],
    ] as const) {
      for (const [bin, gap] of calibrationGaps(logits.subarray(3 * from, 3 * to), labels.subarray(from, to), 3))
        sum.set(bin, (sum.get(bin) ?? 0) + gap);
    }
    const error = [...sum.values()].reduce((total, gap) => total + Math.abs(gap), 0) / 17;
    expect(error).toBeCloseTo(classifierReport(logits, labels, 3).calibrationError, 12);
    expect(error).toBeGreaterThan(0.01);
  });
});

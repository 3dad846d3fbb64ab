import { describe, expect, it } from 'vitest';
import { canarySample, checkCanary, checkFrozen } from '../../../../worker/compute/teachers/canary.js';

const of = (sampleShape: number[], isWhole = false): Parameters<typeof canarySample>[1] => ({ sampleShape, isWhole });

describe('a canary', () => {
  it('is the same sample for a teacher each time, and another for another', () => {
    expect(canarySample('a', of([2, 3]))).toEqual(canarySample('a', of([2, 3])));
    expect(canarySample('a', of([2, 3]))).not.toEqual(canarySample('b', of([2, 3])));
    expect(Math.max(...canarySample('a', of([1000])).map(Math.abs))).toBeLessThanOrEqual(1);
  });

  it('of a model of whole numbers is of zeros and ones', () => {
    expect(new Set(canarySample('a', of([100], true)))).toEqual(new Set([0, 1]));
  });

  it('may differ by what devices differ, against the largest output', () => {
    expect(() => checkCanary('t', Float32Array.from([10, 0.15]), [10, 0])).not.toThrow();
  });

  it.each([[[10, 0.3]], [[10]], [[10, NaN]], [[-10, 0]]])(
    'is refused with what came and what was wanted: %j',
    (found) => {
      expect(() => checkCanary('t', Float32Array.from(found), [10, 0])).toThrow(
        /^teacher t: on a known sample it gives .* wanted, as where the run was prepared$/,
      );
    },
  );

  it('may not change in a bit once the teacher is open', () => {
    const seen = (output: number[], weights: string | null = 'a'): Parameters<typeof checkFrozen>[1] => ({
      output: Float32Array.from(output),
      weights,
    });
    expect(() => checkFrozen('t', seen([1, NaN]), seen([1, NaN]))).not.toThrow();
    expect(() => checkFrozen('t', seen([1 + 2 ** -23]), seen([1]))).toThrow(
      'teacher t: its output for a known sample has changed',
    );
    expect(() => checkFrozen('t', seen([1], 'b'), seen([1]))).toThrow(
      'teacher t: its weights have changed since it was opened; a frozen model wanted',
    );
  });
});

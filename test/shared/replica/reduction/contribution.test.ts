import { describe, expect, it } from 'vitest';
import {
  addSums,
  contributionBytes,
  mergeContributions,
  momentsView,
  readMoments,
  writeMoments,
} from '../../../../shared/replica/reduction/contribution.js';
import { planReplica } from '../../../../shared/replica/plan.js';
import { normStudent, optimizerOf, studentOf, weightOf } from '../student.js';

const sgd = optimizerOf({ name: 'sgd', learningRate: 0.1 });
const plan = planReplica(normStudent, sgd);

describe('sums', () => {
  it('are added by name; a name that one side lacks passes through', () => {
    expect(addSums({ samples: 3, crossEntropy: 0.25 }, { samples: 2, response: 1.5 })).toEqual({
      samples: 5,
      crossEntropy: 0.25,
      response: 1.5,
    });
  });

  it('keep a negative zero that nothing was added to', () => {
    expect(Object.is(addSums({}, { x: -0 }).x, -0)).toBe(true);
  });

  it('leave both sides as they were', () => {
    const [left, right] = [{ a: 1 }, { a: 2 }];
    addSums(left, right);
    expect([left, right]).toEqual([{ a: 1 }, { a: 2 }]);
  });
});

describe('contributions', () => {
  it('hold the gradient, then the moments in float64', () => {
    expect(plan.gradientFloats).toBe(28 + 4 + 4 + 16 + 8);
    expect(contributionBytes(plan)).toBe(4 * 60 + 8 * 2 * (3 + 5));
    const bytes = new Uint8Array(8 + contributionBytes(plan)).subarray(8);
    const gradient = new Float32Array(bytes.buffer, bytes.byteOffset, plan.gradientFloats).fill(1.5);
    const moments = { counts: [64, 16], values: Float64Array.from({ length: 16 }, (_, i) => i / 3) };
    writeMoments(plan, bytes, moments);
    expect(readMoments(plan, bytes, [64, 16])).toEqual(moments);
    expect(gradient.every((x) => x === 1.5)).toBe(true);
    expect(new DataView(bytes.buffer, bytes.byteOffset).getFloat64(4 * 60 + 8 * 5, true)).toBe(5 / 3);
  });

  it('moments that were read are a copy', () => {
    const bytes = new Uint8Array(contributionBytes(plan));
    const moments = readMoments(plan, bytes, [1, 1]);
    momentsView(plan, bytes).fill(9);
    expect(moments?.values[0]).toBe(0);
  });

  it('of a student without batch norm have no moments', () => {
    const plain = planReplica(studentOf([weightOf('dense/kernel', [2, 2])]), sgd);
    expect(readMoments(plain, new Uint8Array(contributionBytes(plain)), [])).toBeNull();
  });

  it('merge with one that has no gradient', () => {
    const left = { hasGradient: false, sums: { samples: 4 }, moments: null };
    const right = {
      hasGradient: true,
      sums: { samples: 3, response: 2 },
      moments: { counts: [1, 1], values: new Float64Array(16).fill(2) },
    };
    expect(mergeContributions(left, right, plan.norms)).toEqual({
      hasGradient: true,
      sums: { samples: 7, response: 2 },
      moments: right.moments,
    });
  });
});

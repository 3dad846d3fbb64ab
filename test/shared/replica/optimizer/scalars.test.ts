import { describe, expect, it } from 'vitest';
import { clipFactor } from '../../../../shared/replica/optimizer/clipping.js';
import { commitScalars, skipScalars } from '../../../../shared/replica/optimizer/scalars.js';
import { scheduleFactor, type RateSchedule } from '../../../../shared/replica/optimizer/schedules.js';
import { scalarsSchema } from '../../../../shared/protocol/messages.js';
import { planReplica } from '../../../../shared/replica/plan.js';
import { normStudent, optimizerOf } from '../student.js';

function factors(schedule: RateSchedule | undefined, steps: number[], totalSteps: number): number[] {
  return steps.map((step) => scheduleFactor(schedule, step, totalSteps));
}

describe('schedules', () => {
  it('no schedule is a constant rate', () => {
    expect(factors(undefined, [0, 5, 99], 100)).toEqual([1, 1, 1]);
  });

  it('warm-up rises linearly and is full on its last step', () => {
    expect(factors({ name: 'constant', warmupSteps: 4 }, [0, 1, 2, 3, 4, 50], 100)).toEqual([0.25, 0.5, 0.75, 1, 1, 1]);
  });

  it('step decays every so many steps', () => {
    expect(factors({ name: 'step', everySteps: 3, gamma: 0.5, warmupSteps: 0 }, [0, 2, 3, 5, 6, 9], 10)).toEqual([
      1, 1, 0.5, 0.5, 0.25, 0.125,
    ]);
  });

  it('step decays at each milestone, in whatever order they are written', () => {
    expect(factors({ name: 'step', milestones: [8, 3], gamma: 0.5, warmupSteps: 0 }, [2, 3, 7, 8, 9], 10)).toEqual([
      1, 0.5, 0.5, 0.25, 0.25,
    ]);
  });

  it('cosine falls from the end of the warm-up to its final fraction', () => {
    const found = factors({ name: 'cosine', finalFraction: 0.2, warmupSteps: 2 }, [0, 1, 2, 4, 6, 8, 10, 12], 10);
    const wanted = [0.5, 1, 1, 0.2 + 0.4 * (1 + Math.SQRT1_2), 0.6, 0.2 + 0.4 * (1 - Math.SQRT1_2), 0.2, 0.2];
    found.forEach((factor, i) => expect(factor).toBeCloseTo(wanted[i] ?? NaN, 14));
  });

  it('cosine with a warm-up as long as the run divides by nothing', () => {
    expect(factors({ name: 'cosine', finalFraction: 0, warmupSteps: 3 }, [0, 2, 3], 3)).toEqual([1 / 3, 1, 1]);
  });
});

describe('clipping', () => {
  it('scales a norm above the limit to the limit, and leaves one below alone', () => {
    expect(clipFactor(1, 16)).toBe(1 / 4.000001);
    expect(clipFactor(5, 16)).toBe(1);
    expect(clipFactor(undefined, 1e30)).toBe(1);
    expect(clipFactor(1, 0)).toBe(1);
  });
});

describe('commit scalars', () => {
  const position = { update: 3, step: 7, totalSteps: 10, gradientSquares: 4 };

  it('sgd needs rate, decay and momentum for each group', () => {
    const optimizer = optimizerOf({
      name: 'sgd',
      learningRate: 0.5,
      momentum: 0.9,
      weightDecay: 0.01,
      clipNorm: 1,
      ema: 0.75,
      schedule: { name: 'step', everySteps: 5, gamma: 0.1 },
      groups: [{ match: ['dense'], learningRateScale: 2 }],
      decayExclude: ['*/bias'],
      freeze: ['norm'],
    });
    const scalars = commitScalars(planReplica(normStudent, optimizer), position);
    expect(scalarsSchema.parse(scalars)).toEqual({
      skip: false,
      update: 3,
      clip: 1 / 2.000001,
      ema: 0.25,
      groups: [
        { learningRate: 0.05, weightDecay: 0.01, momentum: 0.9 },
        {},
        { learningRate: 0.1, weightDecay: 0.01, momentum: 0.9 },
        { learningRate: 0.1, weightDecay: 0, momentum: 0.9 },
      ],
    });
  });

  it('adam corrects its biases by the number of updates, not of steps', () => {
    const optimizer = optimizerOf({ name: 'adam', learningRate: 0.01, beta1: 0.5, beta2: 0.75, weightDecay: 0.1 });
    const [group = {}] = commitScalars(planReplica(normStudent, optimizer), position).groups;
    expect(group.stepSize).toBeCloseTo(0.01 / 0.875, 15);
    expect(group.inverseRoot).toBeCloseTo(1 / Math.sqrt(1 - 0.421875), 15);
    expect(group).toMatchObject({
      learningRate: 0.01,
      weightDecay: 0.1,
      keep: 1,
      share1: 0.5,
      share2: 0.25,
      beta2: 0.75,
      epsilon: 1e-8,
    });
  });

  it('adamw takes its decay from the weights, not into the gradient', () => {
    const optimizer = optimizerOf({ name: 'adamw', learningRate: 0.01, weightDecay: 0.1 });
    const [group] = commitScalars(planReplica(normStudent, optimizer), position).groups;
    expect(group).toMatchObject({ weightDecay: 0, keep: 1 - 0.001 });
  });

  it('a skip moves nothing and counts no update', () => {
    expect(scalarsSchema.parse(skipScalars(3))).toEqual({ skip: true, update: 3, clip: 1, groups: [], ema: 0 });
  });
});

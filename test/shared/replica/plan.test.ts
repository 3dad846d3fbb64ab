import { describe, expect, it } from 'vitest';
import { UserError } from '../../../shared/errors.js';
import { planReplica } from '../../../shared/replica/plan.js';
import { normStudent, optimizerOf, studentOf, weightOf } from './student.js';

const adam = (fields: Record<string, unknown> = {}) => optimizerOf({ name: 'adam', learningRate: 0.1, ...fields });

describe('the plan', () => {
  const plan = planReplica(normStudent, adam({ ema: 0.9 }));

  it('places trained weights in topology order, each on a 16-byte boundary', () => {
    expect(plan.trained.map(({ spec, offset, size }) => [spec.name, offset, size])).toEqual([
      ['conv/kernel', 0, 27],
      ['norm/gamma', 28, 3],
      ['norm/beta', 32, 3],
      ['dense/kernel', 36, 15],
      ['dense/bias', 52, 5],
    ]);
    const frozen = plan.tensors.filter(({ region }) => region === 'frozen');
    expect(frozen.map(({ spec, offset, size }) => [spec.name, offset, size])).toEqual([['table/embeddings', 0, 10]]);
    expect([plan.gradientFloats, plan.frozenFloats, plan.movingFloats]).toEqual([60, 12, 4 + 4 + 8 + 8]);
  });

  it('lists norm layers by first appearance, mean before variance whatever the topology says', () => {
    expect(plan.norms).toEqual([
      { layer: 'norm', momentum: 0.9, channels: 3, meanOffset: 0, varianceOffset: 4 },
      { layer: 'last', momentum: 0.5, channels: 5, meanOffset: 8, varianceOffset: 16 },
    ]);
  });

  it('keeps all weights in topology order', () => {
    expect(plan.tensors.map(({ spec }) => spec)).toEqual(normStudent.weights);
    expect(
      plan.tensors.filter(({ region }) => region === 'moving').map(({ spec, offset }) => [spec.name, offset]),
    ).toEqual([
      ['norm/moving_mean', 0],
      ['norm/moving_variance', 4],
      ['last/moving_variance', 16],
      ['last/moving_mean', 8],
    ]);
  });

  it.each([
    [{ name: 'sgd' }, 0, 1],
    [{ name: 'sgd', momentum: 0.9 }, 1, 2],
    [{ name: 'sgd', ema: 0.9 }, 0, 2],
    [{ name: 'adam' }, 2, 3],
    [{ name: 'adamw', ema: 0.9 }, 2, 4],
  ])('of %j has %i moments and %i regions of weights in its state', (fields, moments, regions) => {
    const found = planReplica(normStudent, optimizerOf({ learningRate: 0.1, ...fields }));
    expect([found.moments, found.stateBytes]).toEqual([moments, 4 * (60 * regions + 12 + 24)]);
  });

  it('joins neighbours of one group to one update, and leaves frozen ones out', () => {
    expect(plan.updates).toEqual([{ group: 0, offset: 0, floats: 60 }]);
    const split = planReplica(
      normStudent,
      adam({ weightDecay: 0.1, decayExclude: ['*/bias', 'norm'], freeze: ['conv'] }),
    );
    expect(split.updates.map(({ offset, floats }) => [offset, floats])).toEqual([
      [28, 8],
      [36, 16],
      [52, 8],
    ]);
    expect(split.updates[0]?.group).toBe(split.updates[2]?.group);
  });

  it('is the same for the same student and optimizer', () => {
    expect(planReplica(structuredClone(normStudent), adam({ ema: 0.9 }))).toEqual(plan);
  });
});

describe('students that are refused', () => {
  const big = (floats: number) => studentOf([weightOf('dense/kernel', [floats])]);
  it.each([
    [
      'nothing to train',
      studentOf([weightOf('table/embeddings', [2], 'frozen')]),
      adam(),
      'student: no weights left to train',
    ],
    ['all frozen', normStudent, adam({ freeze: ['*'] }), 'student: no weights left to train'],
    [
      'too big for one memory',
      big(220_000_000),
      adam(),
      /student needs at least 4400000000 bytes for state and two gradients; a replica holds at most 4294901760/,
    ],
    [
      'half a norm layer',
      studentOf([weightOf('d/kernel', [4]), weightOf('n/moving_mean', [4], 'mean')]),
      adam(),
      'student layer n: batch norm without a moving variance',
    ],
  ])('%s', (_, student, optimizer, message) => {
    expect(() => planReplica(student, optimizer)).toThrow(UserError);
    expect(() => planReplica(student, optimizer)).toThrow(message);
  });

  it('a norm layer without a momentum is a bug', () => {
    const student = studentOf([
      weightOf('d/kernel', [4]),
      weightOf('n/moving_mean', [4], 'mean'),
      weightOf('n/moving_variance', [4], 'variance'),
    ]);
    expect(() => planReplica(student, adam())).toThrow('student layer n: batch norm without a momentum');
  });

  it('the largest that fits is planned', () => {
    expect(planReplica(big(214_000_000), adam()).stateBytes).toBe(12 * 214_000_000);
  });
});

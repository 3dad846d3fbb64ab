import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignGroups, globMatches } from '../../../../shared/replica/optimizer/groups.js';
import { normStudent, optimizerOf } from '../student.js';

describe('patterns', () => {
  it.each([
    ['dense/kernel', 'dense/kernel', true],
    ['dense/kernel', 'dense/kernels', false],
    ['*/bias', 'dense/bias', true],
    ['*/bias', 'dense/bias_2', false],
    ['dense*', 'dense_1/kernel', true],
    ['*norm*/g*a', 'block/norm_3/gamma', true],
    ['*', '', true],
    ['ab*ba', 'aba', false],
    ['a*b*c', 'acb', false],
    ['a.c', 'abc', false],
    ['*aa*aa', 'aaa', false],
  ])('%s on %s: %s', (pattern, text, wanted) => {
    expect(globMatches(pattern, text)).toBe(wanted);
  });

  it('agree with a regular expression', () => {
    const piece = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*'), maxLength: 8 });
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 12 });
    fc.assert(
      fc.property(piece, text, (pattern, candidate) => {
        expect(globMatches(pattern, candidate)).toBe(
          new RegExp(`^${pattern.replaceAll('*', '.*')}$`, 's').test(candidate),
        );
      }),
      { numRuns: 2000 },
    );
  });
});

describe('parameter groups', () => {
  const sgd = (fields: Record<string, unknown>) => optimizerOf({ name: 'sgd', learningRate: 0.1, ...fields });
  const groupsOf = (fields: Record<string, unknown>) => {
    const { groups, groupOf } = assignGroups(normStudent.weights, sgd(fields));
    return Object.fromEntries(
      normStudent.weights.filter(({ kind }) => kind === 'trained').map((spec) => [spec.name, groups[groupOf(spec)]]),
    );
  };

  it('without options all weights share one group', () => {
    expect(assignGroups(normStudent.weights, sgd({ weightDecay: 0.2 })).groups).toEqual([
      { learningRateScale: 1, weightDecay: 0.2, frozen: false },
    ]);
  });

  it('the first match counts, decayExclude beats decay, freeze beats all', () => {
    const found = groupsOf({
      weightDecay: 0.2,
      decayExclude: ['*/bias', '*/beta'],
      freeze: ['conv'],
      groups: [
        { match: ['dense/kernel'], learningRateScale: 0.5, weightDecay: 0.3 },
        { match: ['dense', 'conv'], learningRateScale: 2 },
      ],
    });
    expect(found).toEqual({
      'conv/kernel': { learningRateScale: 0, weightDecay: 0, frozen: true },
      'norm/gamma': { learningRateScale: 1, weightDecay: 0.2, frozen: false },
      'norm/beta': { learningRateScale: 1, weightDecay: 0, frozen: false },
      'dense/kernel': { learningRateScale: 0.5, weightDecay: 0.3, frozen: false },
      'dense/bias': { learningRateScale: 2, weightDecay: 0, frozen: false },
    });
  });

  it.each([
    [{ freeze: ['conv2'] }, /^optimizer\.freeze: "conv2" matches no weight of the student \(conv\/kernel, .*\)$/],
    [{ groups: [{ match: ['dense', 'out/*'] }] }, /^optimizer\.groups\[0\]\.match: "out\/\*" matches no weight/],
  ])('%j is refused by name', (fields, message) => {
    expect(() => groupsOf(fields)).toThrow(message);
  });

  it('a generic decayExclude may match nothing', () => {
    expect(groupsOf({ decayExclude: ['*/depthwise'] })).toEqual(groupsOf({}));
  });
});

import { describe, expect, it } from 'vitest';
import { UserError } from '../../../shared/errors.js';
import { SumFamily, SumGroup, samplesIn, samplesSum } from '../../../shared/figures/sum-names.js';

describe('a group of sums', () => {
  const group = new SumGroup({ hits: 'hits', predicted: 'told' });
  const values = { hits: 2, predicted: 3 };

  it.each([
    ['student', { 'student.hits': 2, 'student.told': 3 }],
    ['ensemble', { 'ensemble.hits': 2, 'ensemble.told': 3 }],
    [{ teacher: 'a.b' }, { 'teacher.a.b.hits': 2, 'teacher.a.b.told': 3 }],
    [{ label: 7 }, { 'label.7.hits': 2, 'label.7.told': 3 }],
    [null, { hits: 2, told: 3 }],
  ] as const)('is written under the names of its owner and read from them: %j', (owner, sums) => {
    expect(group.write(owner, values)).toEqual(sums);
    expect(group.read({ other: 1, ...sums }, owner)).toEqual(values);
  });

  it('is none where none of its sums is there, and an error where some are missing', () => {
    expect(group.read({ 'student.hits': 2, 'student.told': 3 }, 'ensemble')).toBeNull();
    const missing = new UserError('the sum student.told is missing beside its others', 65);
    expect(() => group.read({ 'student.hits': 2 }, 'student')).toThrow(missing);
    expect(() => group.need({}, null)).toThrow(new UserError('the sum hits is missing beside its others', 65));
  });
});

describe('a family of sums', () => {
  it('is read by the names of its members, which may have dots, in their order', () => {
    const family = new SumFamily('exit.', '.correct');
    const sums = family.write([
      ['b.c', 1],
      ['a', 2],
    ]);
    expect(sums).toEqual({ 'exit.b.c.correct': 1, 'exit.a.correct': 2 });
    expect(family.read({ 'student.correct': 3, 'exit.a.loss': 4, ...sums })).toEqual([
      ['b.c', 1],
      ['a', 2],
    ]);
  });
});

describe('the samples behind sums', () => {
  it('are 0 where there are no sums', () => {
    expect([samplesIn(samplesSum(5)), samplesIn({})]).toEqual([5, 0]);
  });
});

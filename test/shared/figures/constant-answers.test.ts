import { describe, expect, it } from 'vitest';
import { constantAnswer, type AnswersToSamples } from '../../../shared/figures/constant-answers.js';

/** 20 rows of two outputs. */
const answersOf = (row: (i: number) => [number, number], more: Partial<AnswersToSamples> = {}): AnswersToSamples => ({
  task: 'classes',
  outputs: Float32Array.from(Array.from({ length: 20 }, (_, i) => row(i)).flat()),
  width: 2,
  labels: Int32Array.from({ length: 20 }, (_, i) => i % 2),
  ...more,
});
/** The second class is always the likelier, by different logits. */
const second = (i: number): [number, number] => [i - 30, i - 29];

describe('one answer to all samples', () => {
  it.each([
    ['a class, where the labels are of several', second, {}, 'class 1 for all 20 samples'],
    ['a class, where no label is known', second, { labels: new Int32Array(20).fill(-1) }, 'class 1 for all 20 samples'],
    ['a class at positions', second, { task: 'sequence' as const }, 'class 1 for all 20 positions'],
    [
      'numbers',
      (): [number, number] => [3, -7],
      { task: 'regression' as const },
      'the same numbers for all 20 samples',
    ],
    ['labels', (): [number, number] => [-2, 5], { task: 'multiLabel' as const }, 'the same numbers for all 20 samples'],
  ])('is told: %s', (_case, row, more, text) => {
    expect(constantAnswer(answersOf(row, more))).toBe(text);
  });

  it.each([
    ['another class once', (i: number): [number, number] => (i === 19 ? [2, 1] : [1, 2]), {}],
    ['labels of one class alone', second, { labels: new Int32Array(20).fill(1) }],
    ['too few rows', second, { outputs: new Float32Array(30) }],
    ['other numbers once', (i: number): [number, number] => [3, i === 7 ? 1 : 2], { task: 'regression' as const }],
  ])('is none: %s', (_case, row, more) => {
    expect(constantAnswer(answersOf(row, more))).toBeNull();
  });
});

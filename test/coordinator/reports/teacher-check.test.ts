import { describe, expect, it } from 'vitest';
import type { EvaluationLine } from '../../../coordinator/store/journal.js';
import {
  checkTeachers,
  describeTeachers,
  guessersIn,
  weakEnsemble,
  type TeachersEvaluation,
} from '../../../coordinator/reports/teacher-check.js';
import type { Task } from '../../../shared/task.js';
import { teacherOf } from '../../shared/labels/fixtures.js';
import { manifest, recipeOf } from '../../worker/fakes.js';

const line = (sums: Record<string, number>, samples = 100): EvaluationLine => ({
  type: 'evaluation',
  generation: 1,
  atMs: 0,
  step: 0,
  unit: 0,
  epoch: 0,
  subject: 'teachers',
  samples,
  sums,
});

/** The evaluation of teachers a and b, on samples of 10 classes. */
const evaluated = (
  sums: Record<string, number>,
  more: Partial<TeachersEvaluation> & { readonly samples?: number } = {},
): TeachersEvaluation => ({
  line: line(sums, more.samples),
  task: 'classes',
  teachers: ['a', 'b'],
  width: 10,
  ...more,
});

describe('the teachers before step 1', () => {
  it('are described by accuracy and agreement', () => {
    expect(
      describeTeachers(
        evaluated({
          samples: 50,
          'teacher.a.correct': 40,
          'teacher.a.agree': 90,
          'teacher.b.correct': 10,
          'teacher.b.agree': 20,
          'ensemble.correct': 45,
        }),
      ),
    ).toBe(
      'teachers, accuracy on 50 evaluation samples: a 80.00 % (agrees with the ensemble on 90.00 %), b 20.00 % (agrees with the ensemble on 20.00 %), ensemble 90.00 %',
    );
    expect(
      describeTeachers(evaluated({ samples: 50, 'teacher.a.correct': 3, 'teacher.a.samples': 4 }, { teachers: ['a'] })),
    ).toBe('teachers, accuracy on 50 evaluation samples: a 75.00 % of the 4 of its classes');
    expect(describeTeachers(evaluated({ samples: 0 }))).toBeNull();
  });

  it.each([
    // Two standard deviations above chance, 10 classes and 100 samples: 16 %.
    [
      'one as good as a guesser',
      { samples: 100, 'teacher.a.correct': 99, 'teacher.b.correct': 16 },
      10,
      'teacher b (16.00 %): no better than chance on 100 samples of 10 classes; ',
    ],
    ['one that is worse', { samples: 100, 'teacher.a.correct': 0, 'teacher.b.correct': 17 }, 10, 'teacher a (0.00 %)'],
    // Of its own 25 samples: 22 %.
    [
      'a specialist, by its own samples',
      { samples: 100, 'teacher.a.correct': 99, 'teacher.b.correct': 5, 'teacher.b.samples': 25 },
      10,
      'teacher b (20.00 %)',
    ],
    ['both', { samples: 100, 'teacher.a.correct': 1, 'teacher.b.correct': 1 }, 10, 'teachers a (1.00 %), b (1.00 %)'],
  ])('at chance level are named: %s', (_case, sums, classes, text) => {
    expect(guessersIn(evaluated(sums, { width: classes }))).toContain(text);
  });

  it('are described by the positions of sequences', () => {
    const sums = {
      samples: 50,
      sequences: 8,
      'teacher.a.correct': 40,
      'teacher.a.exact': 2,
      'teacher.a.agree': 45,
      'teacher.b.correct': 10,
      'teacher.b.exact': 0,
      'teacher.b.agree': 10,
      'ensemble.correct': 45,
      'ensemble.exact': 3,
    };
    const of = { task: 'sequence' as const, samples: 8, width: 4 };
    expect(describeTeachers(evaluated(sums, of))).toBe(
      'teachers, token accuracy on 50 positions of 8 evaluation samples: a 80.00 % (agrees with the ensemble on 90.00 %), b 20.00 % (agrees with the ensemble on 20.00 %), ensemble 90.00 %',
    );
    expect(guessersIn(evaluated(sums, of))).toContain(
      'teacher b (20.00 %): no better than chance on 50 positions of 4 classes',
    );
  });

  it('are described by what fits target vectors', () => {
    const of = (task: Task) => ({ task, width: 3 });
    const numbers = {
      samples: 4,
      spread: 8,
      'teacher.a.squares': 2,
      'teacher.a.absolutes': 3,
      'teacher.b.squares': 8,
      'teacher.b.absolutes': 8,
      'ensemble.squares': 4,
      'ensemble.absolutes': 3,
    };
    expect(describeTeachers(evaluated(numbers, of('regression')))).toBe(
      'teachers, R2 on 4 evaluation samples: a 0.7500, b 0.0000, ensemble 0.5000',
    );
    expect(guessersIn(evaluated(numbers, of('regression')))).toBe(
      'teacher b (0.0000): no better than the mean of the targets of 4 samples; other preprocessing, output or units wanted',
    );
    expect(guessersIn(evaluated({ ...numbers, 'teacher.b.squares': 7 }, of('regression')))).toBeNull();
    const labels = {
      samples: 50,
      'teacher.a.hits': 30,
      'teacher.a.told': 40,
      'teacher.a.actual': 40,
      'teacher.a.exact': 0,
      'teacher.a.right': 0,
      'teacher.a.loss': 0,
      'teacher.a.agree': 80,
      'teacher.a.skill': 10,
      'teacher.a.skillSquares': 16,
      'teacher.b.hits': 4,
      'teacher.b.told': 40,
      'teacher.b.actual': 40,
      'teacher.b.exact': 0,
      'teacher.b.right': 0,
      'teacher.b.loss': 0,
      'teacher.b.agree': 50,
      'teacher.b.skill': 8,
      'teacher.b.skillSquares': 16,
      'ensemble.hits': 20,
      'ensemble.told': 40,
      'ensemble.actual': 40,
      'ensemble.exact': 0,
      'ensemble.right': 0,
      'ensemble.loss': 0,
    };
    expect(describeTeachers(evaluated(labels, of('multiLabel')))).toBe(
      'teachers, micro F1 on 50 evaluation samples: a 75.00 % (agrees with the ensemble on 80.00 %), b 10.00 % (agrees with the ensemble on 50.00 %), ensemble 50.00 %',
    );
    // Two standard deviations are 8.
    expect(guessersIn(evaluated(labels, of('multiLabel')))).toContain(
      "teacher b (10.00 %): no better than the labels' frequencies on 50 samples; labels in another order",
    );
    expect(guessersIn(evaluated({ ...labels, 'teacher.b.skill': 8.1 }, of('multiLabel')))).toBeNull();
  });

  it.each([
    ['better ones', { samples: 100, 'teacher.a.correct': 17, 'teacher.b.correct': 50 }, 10],
    [
      'a specialist, by its own samples',
      { samples: 100, 'teacher.a.correct': 50, 'teacher.b.correct': 6, 'teacher.b.samples': 25 },
      10,
    ],
    ['too few samples to tell', { samples: 4, 'teacher.a.correct': 2, 'teacher.b.correct': 1 }, 2],
    ['no labels', { samples: 0, 'teacher.a.correct': 0 }, 2],
  ])('pass: %s', (_case, sums, classes) => {
    expect(guessersIn(evaluated(sums, { width: classes }))).toBeNull();
  });

  it.each([
    // Two standard deviations of the difference are 8.8 points.
    ['an ensemble that a teacher rules', { 'teacher.a.correct': 98, 'ensemble.correct': 83 }, 'logits' as const],
    ['one with bad weights', { 'teacher.a.correct': 98, 'ensemble.correct': 83 }, 'probabilities' as const],
  ])('are warned of: %s', (_case, sums, combine) => {
    const found = weakEnsemble(evaluated({ samples: 100, 'teacher.b.correct': 83, ...sums }), combine);
    expect(found).toBe(
      `the ensemble (83.00 %) is worse than its best teacher a (98.00 %); ${combine === 'logits' ? 'ensemble.combine: probabilities, or ' : ''}other teachers[].weight wanted`,
    );
  });

  it.each([
    ['less than chance can do', { samples: 100, 'teacher.a.correct': 98, 'ensemble.correct': 93 }],
    ['less than a point, on many samples', { samples: 1e6, 'teacher.a.correct': 996500, 'ensemble.correct': 987000 }],
    [
      'a specialist on its own samples',
      { samples: 100, 'teacher.a.correct': 20, 'teacher.a.samples': 20, 'ensemble.correct': 83 },
    ],
    ['nothing', { samples: 100, 'teacher.a.correct': 83, 'ensemble.correct': 98 }],
  ])('pass, though the ensemble is worse by %s', (_case, sums) => {
    expect(weakEnsemble(evaluated({ 'teacher.b.correct': 50, ...sums }), 'logits')).toBeNull();
  });

  it('are not told of, nor asked for, once they are dropped', () => {
    const said: string[] = [];
    const run = { teachers: [teacherOf({ name: 'a' }), teacherOf({ name: 'b' })], manifest, recipe: recipeOf() };
    checkTeachers(
      {
        ...line({ samples: 100, 'teacher.a.correct': 90, 'teacher.a.agree': 100, 'ensemble.correct': 90 }),
        dropped: ['b'],
      },
      run,
      { say: (_level, text) => void said.push(text) },
    );
    expect(said).toEqual(['teachers, accuracy on 100 evaluation samples: a 90.00 %']);
  });
});

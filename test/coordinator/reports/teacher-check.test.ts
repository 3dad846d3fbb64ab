import { describe, expect, it } from 'vitest';
import type { EvaluationLine } from '../../../coordinator/store/journal.js';
import { atChance, checkTeachers, describeTeachers } from '../../../coordinator/reports/teacher-check.js';
import { teacherOf } from '../../shared/labels/fixtures.js';
import { manifest, recipeOf } from '../../worker/fakes.js';

const teachers = [{ name: 'a' }, { name: 'b' }];
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

describe('the teachers before step 1', () => {
  it('are described by accuracy and agreement', () => {
    expect(
      describeTeachers(
        line({
          samples: 50,
          'teacher.a.correct': 40,
          'teacher.a.agree': 90,
          'teacher.b.correct': 10,
          'teacher.b.agree': 20,
          'ensemble.correct': 45,
        }),
        teachers,
      ),
    ).toBe(
      'teachers, accuracy on 50 evaluation samples: a 80.00 % (agrees with the ensemble on 90.00 %), b 20.00 % (agrees with the ensemble on 20.00 %), ensemble 90.00 %',
    );
    expect(
      describeTeachers(line({ samples: 50, 'teacher.a.correct': 3, 'teacher.a.samples': 4 }), [{ name: 'a' }]),
    ).toBe('teachers, accuracy on 50 evaluation samples: a 75.00 % of the 4 of its classes');
    expect(describeTeachers(line({ samples: 0 }), teachers)).toBeNull();
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
    expect(atChance(line(sums), teachers, classes)).toContain(text);
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
    expect(describeTeachers(line(sums, 8), teachers)).toBe(
      'teachers, token accuracy on 50 positions of 8 evaluation samples: a 80.00 % (agrees with the ensemble on 90.00 %), b 20.00 % (agrees with the ensemble on 20.00 %), ensemble 90.00 %',
    );
    expect(atChance(line(sums, 8), teachers, 4)).toContain(
      'teacher b (20.00 %): no better than chance on 50 positions of 4 classes',
    );
  });

  it('are described by what fits target vectors', () => {
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
    expect(describeTeachers(line(numbers), teachers)).toBe(
      'teachers, R2 on 4 evaluation samples: a 0.7500, b 0.0000, ensemble 0.5000',
    );
    expect(atChance(line(numbers), teachers, 3)).toBe(
      'teacher b (0.0000): no better than the mean of the targets of 4 samples; other preprocessing, output or units wanted, or ensemble.allowChance: true',
    );
    expect(atChance(line({ ...numbers, 'teacher.b.squares': 7 }), teachers, 3)).toBeNull();
    const labels = {
      samples: 50,
      'teacher.a.hits': 30,
      'teacher.a.told': 40,
      'teacher.a.actual': 40,
      'teacher.a.agree': 80,
      'teacher.a.skill': 10,
      'teacher.a.skillSquares': 16,
      'teacher.b.hits': 4,
      'teacher.b.told': 40,
      'teacher.b.actual': 40,
      'teacher.b.agree': 50,
      'teacher.b.skill': 8,
      'teacher.b.skillSquares': 16,
      'ensemble.hits': 20,
      'ensemble.told': 40,
      'ensemble.actual': 40,
    };
    expect(describeTeachers(line(labels), teachers)).toBe(
      'teachers, micro F1 on 50 evaluation samples: a 75.00 % (agrees with the ensemble on 80.00 %), b 10.00 % (agrees with the ensemble on 50.00 %), ensemble 50.00 %',
    );
    // Two standard deviations are 8.
    expect(atChance(line(labels), teachers, 3)).toContain(
      "teacher b (10.00 %): no better than the labels' frequencies on 50 samples; labels in another order",
    );
    expect(atChance(line({ ...labels, 'teacher.b.skill': 8.1 }), teachers, 3)).toBeNull();
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
    expect(atChance(line(sums), teachers, classes)).toBeNull();
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

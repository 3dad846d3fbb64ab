import { describe, expect, it } from 'vitest';
import type { EvaluationLine } from '../../coordinator/journal.js';
import { atChance, describeTeachers } from '../../coordinator/reports/teachers.js';

const teachers = [{ name: 'a' }, { name: 'b' }];
const line = (sums: Record<string, number>, samples = 100): EvaluationLine => ({ type: 'evaluation', generation: 1, atMs: 0, step: 0, unit: 0, epoch: 0, subject: 'teachers', samples, sums });

describe('the teachers before step 1', () => {
  it('are described by accuracy and agreement', () => {
    expect(describeTeachers(line({ samples: 50, 'teacher.a.correct': 40, 'teacher.a.agree': 90, 'teacher.b.correct': 10, 'teacher.b.agree': 20, 'ensemble.correct': 45 }), teachers)).toBe(
      'teachers, accuracy on 50 evaluation samples: a 80.00 % (agrees with the ensemble on 90.00 %), b 20.00 % (agrees with the ensemble on 20.00 %), ensemble 90.00 %',
    );
    expect(describeTeachers(line({ samples: 50, 'teacher.a.correct': 3, 'teacher.a.samples': 4 }), [{ name: 'a' }])).toBe('teachers, accuracy on 50 evaluation samples: a 75.00 % of the 4 of its classes');
    expect(describeTeachers(line({ samples: 0 }), teachers)).toBeNull();
  });

  it.each([
    // Two standard deviations above chance, 10 classes and 100 samples: 16 %.
    ['one as good as a guesser', { samples: 100, 'teacher.a.correct': 99, 'teacher.b.correct': 16 }, 10, 'teacher b (16.00 %): no better than chance on 100 samples of 10 classes; '],
    ['one that is worse', { samples: 100, 'teacher.a.correct': 0, 'teacher.b.correct': 17 }, 10, 'teacher a (0.00 %)'],
    // Of its own 25 samples: 22 %.
    ['a specialist, by its own samples', { samples: 100, 'teacher.a.correct': 99, 'teacher.b.correct': 5, 'teacher.b.samples': 25 }, 10, 'teacher b (20.00 %)'],
    ['both', { samples: 100, 'teacher.a.correct': 1, 'teacher.b.correct': 1 }, 10, 'teachers a (1.00 %), b (1.00 %)'],
  ])('at chance level are named: %s', (_case, sums, classes, text) => {
    expect(atChance(line(sums), teachers, classes)).toContain(text);
  });

  it.each([
    ['better ones', { samples: 100, 'teacher.a.correct': 17, 'teacher.b.correct': 50 }, 10],
    ['a specialist, by its own samples', { samples: 100, 'teacher.a.correct': 50, 'teacher.b.correct': 6, 'teacher.b.samples': 25 }, 10],
    ['too few samples to tell', { samples: 4, 'teacher.a.correct': 2, 'teacher.b.correct': 1 }, 2],
    ['no labels', { samples: 0, 'teacher.a.correct': 0 }, 2],
  ])('pass: %s', (_case, sums, classes) => {
    expect(atChance(line(sums), teachers, classes)).toBeNull();
  });
});

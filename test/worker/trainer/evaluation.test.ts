import { describe, expect, it } from 'vitest';
import type { RunCompute } from '../../../worker/compute/contract.js';
import { evaluateStudent, evaluateTeachers } from '../../../worker/trainer/evaluation.js';
import { FakeCompute } from '../fakes.js';

describe('an evaluation of the teachers', () => {
  it('counts a specialist by the samples of its classes alone, and the others by all that have a label', async () => {
    const right = Float32Array.of(1, 0, 0, 1, 0, 1, 1, 0);
    const compute: RunCompute = Object.assign(new FakeCompute(), {
      specialties: new Map([['cats', [1]]]),
      teacherLogits: async () => ({
        teachers: new Map([
          ['any', right],
          ['cats', Float32Array.of(0, 1, 0, 1, 1, 0, 0, 1)],
        ]),
        ensemble: right,
      }),
    });
    const sums = await evaluateTeachers(
      { rows: 4, inputs: new Float32Array(4), targets: { labels: Int32Array.of(0, 1, 1, -1), soft: null } },
      compute,
      [],
    );
    expect(sums).toEqual({
      samples: 3,
      'ensemble.correct': 3,
      'teacher.any.correct': 3,
      'teacher.any.agree': 4,
      'teacher.cats.correct': 1,
      'teacher.cats.samples': 2,
      'teacher.cats.agree': 1,
    });
  });
});

describe('an evaluation of sequences', () => {
  // Two samples of two positions, and one without a label.
  const labels = Int32Array.of(0, 1, 1, -1, -1, -1);
  const targets = { labels, weights: Float32Array.of(1, 1, 1, 0, 0, 0), isSequence: true, soft: null };
  const logits = Float32Array.of(1, 0, /**/ 1, 0, /**/ 0, 1, /**/ 9, 9, /**/ 9, 9, /**/ 9, 9);

  it('counts positions, and sequences that are right as a whole', async () => {
    const compute: RunCompute = Object.assign(new FakeCompute(), {
      task: 'sequence' as const,
      positions: 2,
      student: { ...new FakeCompute().student, outputs: async () => ({ logits, exits: new Map() }) },
    });
    expect(await evaluateStudent({ rows: 3, inputs: new Float32Array(3), targets }, compute)).toMatchObject({
      samples: 3,
      sequences: 2,
      'student.correct': 2,
      'student.exact': 1,
    });
  });

  it('counts the same of teachers, and where they agree on what is labelled', async () => {
    const ensemble = Float32Array.of(1, 0, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0);
    const compute: RunCompute = Object.assign(new FakeCompute(), {
      task: 'sequence' as const,
      positions: 2,
      teacherLogits: async () => ({ teachers: new Map([['a', logits]]), ensemble }),
    });
    expect(await evaluateTeachers({ rows: 3, inputs: new Float32Array(3), targets }, compute, [])).toEqual({
      samples: 3,
      sequences: 2,
      'ensemble.correct': 3,
      'ensemble.exact': 2,
      'teacher.a.correct': 2,
      'teacher.a.exact': 1,
      'teacher.a.agree': 2,
    });
  });
});

describe('an evaluation of the student', () => {
  it("counts the last exit's hits and those of each earlier one", async () => {
    const compute: RunCompute = Object.assign(new FakeCompute(), {
      student: {
        ...new FakeCompute().student,
        outputs: async () => ({
          logits: Float32Array.of(1, 0, 1, 0, 1, 0),
          exits: new Map([
            ['a', Float32Array.of(0, 1, 0, 1, 0, 1)],
            ['b', Float32Array.of(1, 0, 0, 1, 1, 0)],
          ]),
        }),
      },
    });
    const sums = await evaluateStudent(
      { rows: 3, inputs: new Float32Array(3), targets: { labels: Int32Array.of(0, 1, -1), soft: null } },
      compute,
    );
    expect(sums).toMatchObject({ samples: 2, 'student.correct': 1, 'exit.a.correct': 1, 'exit.b.correct': 2 });
  });
});

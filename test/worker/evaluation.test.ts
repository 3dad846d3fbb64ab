import { describe, expect, it } from 'vitest';
import type { RunCompute } from '../../worker/compute.js';
import { evaluateStudent, score } from '../../worker/evaluation.js';
import { FakeCompute } from './fakes.js';

describe('score', () => {
  it('counts what is right and sums the cross entropy, over labelled rows alone', () => {
    const logits = Float32Array.from([2, 0, 1, /**/ 0, 0, 3, /**/ 9, 9, 9, /**/ 0, 1, 0]);
    const { labelled, correct, loss } = score(logits, Int32Array.from([0, 1, -1, 1]), 3);
    expect({ labelled, correct }).toEqual({ labelled: 3, correct: 2 });
    const first = Math.log(Math.exp(2) + 1 + Math.E) - 2;
    const second = Math.log(2 + Math.exp(3));
    const third = Math.log(2 + Math.E) - 1;
    expect(loss).toBeCloseTo(first + second + third, 12);
  });

  it('is exact for logits that overflow a plain exponential', () => {
    expect(score(Float32Array.from([1000, 0]), Int32Array.from([1]), 2)).toEqual({ labelled: 1, correct: 0, loss: 1000 });
  });
});

describe('an evaluation of the student', () => {
  it("counts the last exit's hits and those of each earlier one", () => {
    const compute: RunCompute = Object.assign(new FakeCompute(), {
      student: { ...new FakeCompute().student, outputs: () => ({ logits: Float32Array.of(1, 0, 1, 0, 1, 0), exits: new Map([['a', Float32Array.of(0, 1, 0, 1, 0, 1)], ['b', Float32Array.of(1, 0, 0, 1, 1, 0)]]) }) },
    });
    const sums = evaluateStudent({ rows: 3, inputs: new Float32Array(3), targets: { labels: Int32Array.of(0, 1, -1), soft: null } }, compute);
    expect(sums).toMatchObject({ samples: 2, 'student.correct': 1, 'exit.a.correct': 1, 'exit.b.correct': 2 });
  });
});

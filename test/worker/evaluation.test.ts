import { describe, expect, it } from 'vitest';
import { score } from '../../worker/evaluation.js';

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

import { describe, expect, it } from 'vitest';
import { normalise } from '../../../../shared/data/samples.js';
import { rescale, rescaleOf } from '../../../../worker/compute/teachers/preprocess.js';

const raw = { scale: 1, mean: [0], std: [1] };
const students = [
  { scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  { scale: 0.0625, mean: [0.3], std: [0.37] },
  { scale: 1 / 127.5, mean: [1], std: [1] },
  { scale: 0.01, mean: [0], std: [1] },
  { scale: -3, mean: [7.5], std: [0.1] },
];

/** What a teacher without preprocessing gets of samples that are preprocessed for the student. */
function backFrom(samples: Float32Array, student: (typeof students)[number]): Float32Array {
  const forStudent = samples.slice();
  normalise(forStudent, 3, student);
  return rescale(forStudent, rescaleOf('trees', raw, student, { samples: 3, model: 3 }));
}

describe.each(students)('a teacher of raw samples, behind %o', (student) => {
  it('is fed whole numbers and decimals of four places to the bit', () => {
    const bytes = Float32Array.from({ length: 3 * 256 }, (_, i) => i >> 1);
    expect(backFrom(bytes, student)).toEqual(bytes);
    const decimals = Float32Array.from({ length: 3 * 4000 }, (_, i) => (((i * 7919) % 300_000) - 50_000) / 10_000);
    expect(backFrom(decimals, student)).toEqual(decimals);
  });

  it('is fed other numbers as near as the samples of the student know them', () => {
    const others = Float32Array.from({ length: 3 * 400 }, (_, i) => Math.exp(Math.sin(i)) * 10);
    const again = backFrom(others, student);
    const [first, second] = [others.slice(), again.slice()];
    normalise(first, 3, student);
    normalise(second, 3, student);
    first.forEach((value, i) =>
      expect(Math.abs(value - (second[i] ?? NaN)) / (1 + Math.abs(value))).toBeLessThan(1e-6),
    );
    expect(again).not.toEqual(others);
  });
});

it('does not round what a teacher with preprocessing of its own is fed', () => {
  const student = { scale: 1, mean: [0], std: [1] };
  const form = rescaleOf('net', { scale: 1, mean: [0], std: [3] }, student, { samples: 1, model: 1 });
  expect(rescale(Float32Array.of(1, 1.00000003), form)).toEqual(Float32Array.of(1 / 3, 1.00000003 / 3));
});

/**
 * Attention transfer (Zagoruyko and Komodakis 2017): a(f) = mean over channels of f^2, at the smaller size of the two;
 * value = mean over places of (a(s) - a(t))^2. With `l2` each a is divided by its own norm first.
 */
import { z } from 'zod';
import { lossOnPairs } from './loss.js';
import type { Activation } from './math/activation.js';
import type { LossValues, PairInput } from './math/inputs.js';
import { mapOf, pooled, smaller, unpool, type FeatureMap } from './math/maps.js';
import { smallestNorm } from './math/vectors.js';

export const attention = lossOnPairs({
  name: 'attention',
  compares: "a map of the student with a teacher's by their mean squares over the channels",
  formula: 'mean over places of (a(s) - a(t))^2, a(f) = mean over channels of f^2',
  source: 'Zagoruyko and Komodakis 2017',
  options: { normalize: z.enum(['none', 'l2']).default('none') },
  sides: 'maps',
  over: 'samples',
  tasks: ['classes', 'regression', 'multiLabel'],
  usual: { weight: 1000, crossEntropy: 1, options: { normalize: 'l2' }, taps: 'maps' },
  compute: computeAttention,
});

function computeAttention(
  { student, teacher, rows, scale, gradient }: PairInput,
  { normalize }: { readonly normalize: 'none' | 'l2' },
): LossValues {
  const [map, other] = [attentionOf(student), attentionOf(teacher)];
  const size = smaller(map, other);
  const [x, y] = [pooled(map, size).values, pooled(other, size).values];
  const length = size.height * size.width;
  const slopes = new Float64Array(x.length);
  const values_B = Float32Array.from({ length: rows }, (_, row) => {
    const at = row * length;
    const [normX, normY] = [normOf(x, at, length, normalize), normOf(y, at, length, normalize)];
    let [sum, along] = [0, 0];
    for (let i = at; i < at + length; i++) {
      const off = (x[i] ?? 0) / normX - (y[i] ?? 0) / normY;
      sum += off * off;
      slopes[i] = (2 * off) / length;
      along += (slopes[i] ?? 0) * ((x[i] ?? 0) / normX);
    }
    // d (x / |x|): the part along x is lost.
    if (normalize === 'l2')
      for (let i = at; i < at + length; i++)
        slopes[i] = ((slopes[i] ?? 0) - (normX > smallestNorm ? along * ((x[i] ?? 0) / normX) : 0)) / normX;
    return sum / length;
  });
  const byPlace = new Float64Array(map.values.length);
  unpool(slopes, { map, size, into: byPlace, factor: scale });
  throughSquares(student, byPlace, gradient);
  return { values_B, count: rows };
}

function attentionOf(activation: Activation): FeatureMap {
  const { height, width, channels, values } = mapOf(activation);
  const attention_ = new Float64Array(values.length / channels);
  values.forEach((value, i) => {
    const place = Math.floor(i / channels);
    attention_[place] = (attention_[place] ?? 0) + (value * value) / channels;
  });
  return { height, width, channels: 1, values: attention_ };
}

function throughSquares(student: Activation, byPlace: Float64Array, gradient: Float64Array): void {
  const channels = student.shape.at(-1) ?? 1;
  student.values.forEach(
    (value, i) =>
      (gradient[i] = (gradient[i] ?? 0) + ((byPlace[Math.floor(i / channels)] ?? 0) * 2 * value) / channels),
  );
}

function normOf(values: Float64Array, at: number, length: number, normalize: 'none' | 'l2'): number {
  if (normalize === 'none') return 1;
  let squares = 0;
  for (let i = at; i < at + length; i++) squares += (values[i] ?? 0) ** 2;
  return Math.max(Math.sqrt(squares), smallestNorm);
}

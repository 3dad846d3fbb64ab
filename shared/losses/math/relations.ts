/**
 * What losses on relations share: how the samples of a micro-batch stand to each other, so that student and teacher
 * need no common shape. Each sample is one vector, [B x D]. The value belongs to the micro-batch: every sample has it.
 * Legend: G = X X^T, [B x B]. Pure: arrays in, arrays out.
 */
import type { Activation } from './activation.js';
import type { LossValues, PairInput } from './inputs.js';
import { smallestNorm } from './vectors.js';

/** [rows x length], a sample a row. */
export interface SampleVectors {
  readonly rows: number;
  readonly length: number;
  readonly values: Float64Array;
}

export const vectorsOf = ({ values }: Activation, rows: number): SampleVectors => ({
  rows,
  length: values.length / rows,
  values: Float64Array.from(values),
});

/** A value of a [B x B] matrix of the student, and its slopes by that matrix. */
export interface Square {
  readonly value: number;
  readonly slopes: Float64Array;
}

export function perSample(rows: number, value: number): LossValues {
  return { values_B: new Float32Array(rows).fill(value), count: rows };
}

/** [B x B] of inner products. */
export function gramOf({ rows, length, values }: SampleVectors): Float64Array {
  const gram = new Float64Array(rows * rows);
  for (let i = 0; i < rows; i++) {
    for (let j = i; j < rows; j++) {
      let sum = 0;
      for (let k = 0; k < length; k++) sum += (values[i * length + k] ?? 0) * (values[j * length + k] ?? 0);
      gram[i * rows + j] = sum;
      gram[j * rows + i] = sum;
    }
  }
  return gram;
}

/** d/dX of a function of X X^T: (S + S^T) X, times factor, added. */
export function throughGram(
  slopes: Float64Array,
  { rows, length, values }: SampleVectors,
  into: Float64Array,
  factor: number,
): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < rows; j++) {
      const slope = factor * ((slopes[i * rows + j] ?? 0) + (slopes[j * rows + i] ?? 0));
      for (let k = 0; k < length; k++)
        into[i * length + k] = (into[i * length + k] ?? 0) + slope * (values[j * length + k] ?? 0);
    }
  }
}

interface Normalised extends SampleVectors {
  readonly norms: Float64Array;
}

/** Rows of norm 1; a row of zeros stays one. */
export function normalised({ rows, length, values }: SampleVectors): Normalised {
  const norms = Float64Array.from({ length: rows }, (_, i) =>
    Math.max(Math.sqrt(values.subarray(i * length, (i + 1) * length).reduce((sum, x) => sum + x * x, 0)), smallestNorm),
  );
  return { rows, length, norms, values: values.map((x, i) => x / (norms[Math.floor(i / length)] ?? 1)) };
}

/** d/dx of a function of x / |x|, times factor, added. */
export function throughNorm(
  slopes: Float64Array,
  { rows, length, norms, values }: Normalised,
  into: Float64Array,
  factor: number,
): void {
  for (let i = 0; i < rows; i++) {
    const norm = norms[i] ?? 1;
    let along = 0;
    for (let k = i * length; k < (i + 1) * length; k++) along += (slopes[k] ?? 0) * (values[k] ?? 0);
    if (norm <= smallestNorm) along = 0;
    for (let k = i * length; k < (i + 1) * length; k++)
      into[k] = (into[k] ?? 0) + (factor * ((slopes[k] ?? 0) - along * (values[k] ?? 0))) / norm;
  }
}

/** mean (x - y)^2 over all places, and its slopes by x. */
export function meanSquareOff(x: Float64Array, y: Float64Array): Square {
  const slopes = x.map((value, i) => (2 * (value - (y[i] ?? 0))) / x.length);
  return { value: x.reduce((sum, value, i) => sum + (value - (y[i] ?? 0)) ** 2, 0) / x.length, slopes };
}

/** A loss on the cosines between the samples, of which `of` gives value and slopes by the student's. */
export function onCosines(
  { student, teacher, rows, scale, gradient }: PairInput,
  of: (cos_s: Float64Array, cos_t: Float64Array, rows: number) => Square,
): LossValues {
  const x = normalised(vectorsOf(student, rows));
  const { value, slopes } = of(gramOf(x), gramOf(normalised(vectorsOf(teacher, rows))), rows);
  const unitSlopes = new Float64Array(x.values.length);
  throughGram(slopes, x, unitSlopes, 1);
  throughNorm(unitSlopes, x, gradient, scale * rows);
  return perSample(rows, value);
}

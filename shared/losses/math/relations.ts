/**
 * What losses on relations share: how the samples of a micro-batch stand to each other, so that student and teacher
 * need no common shape. Each sample is one vector, [B x D]. The value belongs to the micro-batch: every sample has it.
 * Legend: G = X X^T, [B x B]. Pure: arrays in, arrays out.
 */
import type { Activation } from './activation.js';
import type { LossValues, PairInput } from './inputs.js';
import { smallestNorm } from './vectors.js';

/** The samples of a micro-batch, each a vector: [rows x length]. */
export interface SampleVectors {
  readonly rows: number;
  readonly length: number;
  readonly values: Float64Array;
}

/** Each sample of an activation as one vector, whatever its shape. */
export function vectorsOf({ values }: Activation, rows: number): SampleVectors {
  return { rows, length: values.length / rows, values: Float64Array.from(values) };
}

/** A value that depends on a [B x B] matrix of the student's, and its slopes by that matrix. */
export interface MatrixLoss {
  readonly value: number;
  readonly slopes: Float64Array;
}

/** A micro-batch's value as the value of each of its samples. */
export function perSample(rows: number, value: number): LossValues {
  return { values_B: new Float32Array(rows).fill(value), count: rows };
}

/** The matrix X X^T of inner products, [B x B]. */
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

/** Slopes of a value by something, and what they are multiplied by before they are added. */
export interface ScaledSlopes {
  readonly slopes: Float64Array;
  readonly factor: number;
}

/** Adds factor (S + S^T) X, which is d value / d X for slopes S by X X^T. */
export function throughGram(
  { slopes, factor }: ScaledSlopes,
  { rows, length, values }: SampleVectors,
  into: Float64Array,
): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < rows; j++) {
      const slope = factor * ((slopes[i * rows + j] ?? 0) + (slopes[j * rows + i] ?? 0));
      for (let k = 0; k < length; k++)
        into[i * length + k] = (into[i * length + k] ?? 0) + slope * (values[j * length + k] ?? 0);
    }
  }
}

/** Vectors of norm 1, and the norms that they had. */
interface Normalised extends SampleVectors {
  readonly norms: Float64Array;
}

/** The vectors divided by their norms; a vector of zeros stays one. */
export function normalised({ rows, length, values }: SampleVectors): Normalised {
  const norms = Float64Array.from({ length: rows }, (_, i) =>
    Math.max(Math.sqrt(values.subarray(i * length, (i + 1) * length).reduce((sum, x) => sum + x * x, 0)), smallestNorm),
  );
  return { rows, length, norms, values: values.map((x, i) => x / (norms[Math.floor(i / length)] ?? 1)) };
}

/** Adds factor x d value / d x of every row, for slopes by x / |x|: the part along x is lost. */
export function throughNorm(
  { slopes, factor }: ScaledSlopes,
  { rows, length, norms, values }: Normalised,
  into: Float64Array,
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

/** value = mean (x - y)^2 over all places, with its slopes by x. */
export function meanSquareOff(x: Float64Array, y: Float64Array): MatrixLoss {
  const slopes = x.map((value, i) => (2 * (value - (y[i] ?? 0))) / x.length);
  return { value: x.reduce((sum, value, i) => sum + (value - (y[i] ?? 0)) ** 2, 0) / x.length, slopes };
}

/**
 * A loss on the cosines between the samples of a micro-batch.
 *
 * @param of gives the value for the student's and the teacher's cosines, [B x B] each, and its slopes by the student's
 */
export function onCosines(
  { student, teacher, rows, scale, gradient }: PairInput,
  of: (cos_s: Float64Array, cos_t: Float64Array, rows: number) => MatrixLoss,
): LossValues {
  const x = normalised(vectorsOf(student, rows));
  const { value, slopes } = of(gramOf(x), gramOf(normalised(vectorsOf(teacher, rows))), rows);
  const unitSlopes = new Float64Array(x.values.length);
  throughGram({ slopes, factor: 1 }, x, unitSlopes);
  throughNorm({ slopes: unitSlopes, factor: scale * rows }, x, gradient);
  return perSample(rows, value);
}

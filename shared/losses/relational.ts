/**
 * Relational distillation (RKD, Park et al. 2019), on distances and angles among the samples of a micro-batch, each one
 * vector:
 *
 *   value = distance x mean huber(d_s / mean d_s - d_t / mean d_t) + angle x mean huber(cos_s - cos_t)
 *
 * with the distance d of two samples, and the cosine of the angle at each corner of three; huber has its corner at 1.
 * The value belongs to the micro-batch: every sample has it.
 */
import { nonNegative } from '../numbers.js';
import { lossOnPairs } from './loss.js';
import type { LossValues, PairInput } from './math/inputs.js';
import { perSample, vectorsOf, type SampleVectors, type ScaledSlopes } from './math/relations.js';
import { smallestNorm } from './math/vectors.js';

export const relational = lossOnPairs({
  name: 'relational',
  description: 'RKD',
  compares: 'distances and angles among the samples of a micro-batch',
  formula: 'distance x mean huber(d_s - d_t) + angle x mean huber(cos_s - cos_t), d over its mean',
  source: 'RKD, Park et al. 2019',
  options: { distance: nonNegative.default(25), angle: nonNegative.default(50) },
  sides: 'any',
  over: 'samples',
  tasks: ['classes', 'regression', 'multiLabel'],
  isAmongSamples: true,
  usual: { weight: 1, crossEntropy: 1, taps: 'vectors' },
  compute: computeRelational,
});

/** Both parts go through the squared distances alone: O(B^2 D + B^3) steps, and nothing of B^3 numbers is kept. */
function computeRelational(
  { student, teacher, rows, scale, gradient }: PairInput,
  options: { readonly distance: number; readonly angle: number },
): LossValues {
  const x = vectorsOf(student, rows);
  const [own, other] = [squaredDistances(x), squaredDistances(vectorsOf(teacher, rows))];
  const slopes = new Float64Array(rows * rows);
  const value =
    options.distance * distances(own, other, { rows, slopes, factor: options.distance }) +
    options.angle * angles(own, other, { rows, slopes, factor: options.angle });
  throughDistances({ slopes, factor: scale * rows }, x, gradient);
  return perSample(rows, value);
}

/** Huber's loss (1964) with the corner at 1. */
const huber = (off: number): number => (Math.abs(off) < 1 ? 0.5 * off * off : Math.abs(off) - 0.5);
const huberSlope = (off: number): number => Math.max(-1, Math.min(1, off));

/** One of the two parts: its slopes by the squared distances, times the factor, are added to `slopes`. */
interface Part extends ScaledSlopes {
  readonly rows: number;
}

/** The matrix of |x_i - x_j|^2, [B x B]; taken directly, so that those of near samples keep their bits. */
function squaredDistances({ rows, length, values }: SampleVectors): Float64Array {
  const squares = new Float64Array(rows * rows);
  for (let i = 0; i < rows; i++) {
    for (let j = i + 1; j < rows; j++) {
      let sum = 0;
      for (let k = 0; k < length; k++) {
        const off = (values[i * length + k] ?? 0) - (values[j * length + k] ?? 0);
        sum += off * off;
      }
      squares[i * rows + j] = sum;
      squares[j * rows + i] = sum;
    }
  }
  return squares;
}

/** Adds factor x 2 sum_j (S_ij + S_ji) (x_i - x_j), which is d value / d x_i for slopes S by the squared distances. */
function throughDistances(
  { slopes, factor }: ScaledSlopes,
  { rows, length, values }: SampleVectors,
  into: Float64Array,
): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < rows; j++) {
      const slope = 2 * factor * ((slopes[i * rows + j] ?? 0) + (slopes[j * rows + i] ?? 0));
      if (slope === 0) continue;
      for (let k = 0; k < length; k++) {
        const at = i * length + k;
        into[at] = (into[at] ?? 0) + slope * ((values[at] ?? 0) - (values[j * length + k] ?? 0));
      }
    }
  }
}

/** mean huber(d_s / mean d_s - d_t / mean d_t), from the squared distances of both. */
function distances(own: Float64Array, other: Float64Array, { rows, slopes, factor }: Part): number {
  const [x, y] = [scaledDistances(own), scaledDistances(other)];
  const offs = x.scaled.map((value, i) => value - (y.scaled[i] ?? 0));
  const scaledSlopes = offs.map((off) => huberSlope(off) / (rows * rows));
  // scaled = d / mean: the mean moves too.
  const along = scaledSlopes.reduce((sum, slope, i) => sum + slope * (x.scaled[i] ?? 0), 0) / Math.max(1, x.positive);
  own.forEach((square, at) => {
    if (square > 0)
      slopes[at] = (slopes[at] ?? 0) + (factor * ((scaledSlopes[at] ?? 0) - along)) / (2 * x.mean * Math.sqrt(square));
  });
  return offs.reduce((sum, off) => sum + huber(off), 0) / (rows * rows);
}

/** Distances divided by the mean of those above 0; all 0 where none is. */
function scaledDistances(squares: Float64Array): { scaled: Float64Array; mean: number; positive: number } {
  const d = squares.map(Math.sqrt);
  const positive = d.filter((value) => value > 0).length;
  const mean = positive > 0 ? d.reduce((a, b) => a + b, 0) / positive : 0;
  return { scaled: mean > 0 ? d.map((value) => value / mean) : d, mean, positive };
}

/**
 * mean huber(c_s - c_t) over the cosines c of the angles at every corner i between j and k, by the law of cosines:
 *
 *   c = (D_ij + D_ik - D_jk) / (2 n_ij n_ik),  n = sqrt(D)
 */
function angles(own: Float64Array, other: Float64Array, { rows, slopes, factor }: Part): number {
  const normsOf = (squares: Float64Array): Float64Array =>
    squares.map((square) => Math.max(Math.sqrt(square), smallestNorm));
  const [normsOwn, normsOther] = [normsOf(own), normsOf(other)];
  const cosineAt = (squares: Float64Array, norms: Float64Array, i: number, j: number, k: number): number =>
    ((squares[i * rows + j] ?? 0) + (squares[i * rows + k] ?? 0) - (squares[j * rows + k] ?? 0)) /
    (2 * (norms[i * rows + j] ?? 1) * (norms[i * rows + k] ?? 1));
  /** The slope of log n by D; 0 where the norm is the smallest. */
  const turns = own.map((square, at) => ((normsOwn[at] ?? 0) > smallestNorm ? 1 / (2 * square) : 0));
  const add = (at: number, slope: number): void => void (slopes[at] = (slopes[at] ?? 0) + slope);
  let value = 0;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < rows; j++) {
      for (let k = 0; k < rows; k++) {
        const cos = cosineAt(own, normsOwn, i, j, k);
        const off = cos - cosineAt(other, normsOther, i, j, k);
        value += huber(off);
        const slope = (factor * huberSlope(off)) / rows ** 3;
        const inverse = 1 / (2 * (normsOwn[i * rows + j] ?? 1) * (normsOwn[i * rows + k] ?? 1));
        add(i * rows + j, slope * (inverse - cos * (turns[i * rows + j] ?? 0)));
        add(i * rows + k, slope * (inverse - cos * (turns[i * rows + k] ?? 0)));
        add(j * rows + k, -slope * inverse);
      }
    }
  }
  return value / rows ** 3;
}

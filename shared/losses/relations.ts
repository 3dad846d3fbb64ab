/**
 * Losses on how the samples of a micro-batch stand to each other, so that student and teacher need no common shape.
 * Each sample is one vector, [B x D]. The value belongs to the micro-batch: every sample has it. Legend: G = X X^T.
 *
 *   relational     RKD (Park et al. 2019): Huber on the distances over their mean, and on the angles at every corner
 *   similarity     SP (Tung and Mori 2019): |G_s' - G_t'|^2 / B^2, rows of G normalised
 *   probabilistic  PKT (Passalis and Tefas 2018): mean_i KL(p_i || q_i), rows of (1 + cos) / 2 over their sums
 *   correlation    CC (Peng et al. 2019): mean (exp(-2 g (1 - cos_s)) - exp(-2 g (1 - cos_t)))^2, g = 0.4
 */
import type { Activation } from './math/activation.js';
import type { PairInput, TermValues } from './term.js';
import { smallestNorm } from './math/vectors.js';

interface Vectors {
  readonly rows: number;
  readonly length: number;
  readonly values: Float64Array;
}

const vectorsOf = ({ values }: Activation, rows: number): Vectors => ({
  rows,
  length: values.length / rows,
  values: Float64Array.from(values),
});

/** A square matrix of the micro-batch's samples, of the student, and its slope. */
interface Square {
  readonly value: number;
  readonly slopes: Float64Array;
}

function perSample(rows: number, value: number): TermValues {
  return { values_B: new Float32Array(rows).fill(value), count: rows };
}

/** [B x B] of inner products. */
function gramOf({ rows, length, values }: Vectors): Float64Array {
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
function throughGram(
  slopes: Float64Array,
  { rows, length, values }: Vectors,
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

interface Normalised extends Vectors {
  readonly norms: Float64Array;
}

/** Rows of norm 1; a row of zeros stays one. */
function normalised({ rows, length, values }: Vectors): Normalised {
  const norms = Float64Array.from({ length: rows }, (_, i) =>
    Math.max(Math.sqrt(values.subarray(i * length, (i + 1) * length).reduce((sum, x) => sum + x * x, 0)), smallestNorm),
  );
  return { rows, length, norms, values: values.map((x, i) => x / (norms[Math.floor(i / length)] ?? 1)) };
}

/** d/dx of a function of x / |x|, times factor, added. */
function throughNorm(
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

export function similarity({ student, teacher, rows, scale, gradient }: PairInput): TermValues {
  const x = vectorsOf(student, rows);
  const [own, other] = [x, vectorsOf(teacher, rows)].map((vectors) =>
    normalised({ rows, length: rows, values: gramOf(vectors) }),
  );
  if (own === undefined || other === undefined) throw new Error('two sides');
  const { value, slopes } = meanSquareOff(own.values, other.values);
  const gramSlopes = new Float64Array(rows * rows);
  throughNorm(slopes, own, gramSlopes, 1);
  throughGram(gramSlopes, x, gradient, scale * rows);
  return perSample(rows, value);
}

function meanSquareOff(x: Float64Array, y: Float64Array): Square {
  const slopes = x.map((value, i) => (2 * (value - (y[i] ?? 0))) / x.length);
  return { value: x.reduce((sum, value, i) => sum + (value - (y[i] ?? 0)) ** 2, 0) / x.length, slopes };
}

export function probabilistic(input: PairInput): TermValues {
  return onCosines(input, (cos_s, cos_t, rows) => {
    const [q, p] = [likeness(cos_s, rows), likeness(cos_t, rows)];
    const slopes = new Float64Array(rows * rows);
    let value = 0;
    for (let at = 0; at < slopes.length; at++) {
      const [logP, logQ] = [
        Math.log(p.kernel[at] ?? 1) - Math.log(p.sums[Math.floor(at / rows)] ?? 1),
        Math.log(q.kernel[at] ?? 1) - Math.log(q.sums[Math.floor(at / rows)] ?? 1),
      ];
      value += (Math.exp(logP) * (logP - logQ)) / rows;
      // d/dK_ij of -sum_j p_ij log(K_ij / sum_k K_ik), and K = (1 + cos) / 2
      if ((q.kernel[at] ?? 0) > smallestLikeness)
        slopes[at] = (0.5 * (1 / (q.sums[Math.floor(at / rows)] ?? 1) - Math.exp(logP) / (q.kernel[at] ?? 1))) / rows;
    }
    return { value, slopes };
  });
}

/** No two samples are less alike: its log is finite. */
const smallestLikeness = 1e-7;

function likeness(cosines: Float64Array, rows: number): { kernel: Float64Array; sums: Float64Array } {
  const kernel = cosines.map((cos) => Math.max((1 + cos) / 2, smallestLikeness));
  return {
    kernel,
    sums: Float64Array.from({ length: rows }, (_, i) =>
      kernel.subarray(i * rows, (i + 1) * rows).reduce((a, b) => a + b, 0),
    ),
  };
}

const gamma = 0.4;

export function correlation(input: PairInput): TermValues {
  return onCosines(input, (cos_s, cos_t) => {
    const [own, other] = [cos_s, cos_t].map((cosines) => cosines.map((cos) => Math.exp(-2 * gamma * (1 - cos))));
    if (own === undefined || other === undefined) throw new Error('two sides');
    const { value, slopes } = meanSquareOff(own, other);
    return { value, slopes: slopes.map((slope, i) => slope * 2 * gamma * (own[i] ?? 0)) };
  });
}

function onCosines(
  { student, teacher, rows, scale, gradient }: PairInput,
  of: (cos_s: Float64Array, cos_t: Float64Array, rows: number) => Square,
): TermValues {
  const x = normalised(vectorsOf(student, rows));
  const { value, slopes } = of(gramOf(x), gramOf(normalised(vectorsOf(teacher, rows))), rows);
  const unitSlopes = new Float64Array(x.values.length);
  throughGram(slopes, x, unitSlopes, 1);
  throughNorm(unitSlopes, x, gradient, scale * rows);
  return perSample(rows, value);
}

export interface RelationalOptions {
  /** Weights of the two parts. */
  readonly distance: number;
  readonly angle: number;
}

/** Through the squared distances D alone, for both parts: O(B^2 D + B^3), and nothing of B^3 numbers is kept. */
export function relational(
  { student, teacher, rows, scale, gradient }: PairInput,
  options: RelationalOptions,
): TermValues {
  const x = vectorsOf(student, rows);
  const [own, other] = [squaredDistances(x), squaredDistances(vectorsOf(teacher, rows))];
  const slopes = new Float64Array(rows * rows);
  const value =
    options.distance * distances(own, other, slopes, { rows, factor: options.distance }) +
    options.angle * angles(own, other, slopes, { rows, factor: options.angle });
  throughDistances(slopes, x, gradient, scale * rows);
  return perSample(rows, value);
}

/** Huber with the corner at 1. */
const huber = (off: number): number => (Math.abs(off) < 1 ? 0.5 * off * off : Math.abs(off) - 0.5);
const huberSlope = (off: number): number => Math.max(-1, Math.min(1, off));

interface Part {
  readonly rows: number;
  /** Its slopes, times this, are added. */
  readonly factor: number;
}

/** [B x B] of |x_i - x_j|^2; taken directly, so that those of near samples keep their bits. */
function squaredDistances({ rows, length, values }: Vectors): Float64Array {
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

/** d/dX of a function of the squared distances, times factor, added: 2 sum_j (S_ij + S_ji) (x_i - x_j). */
function throughDistances(
  slopes: Float64Array,
  { rows, length, values }: Vectors,
  into: Float64Array,
  factor: number,
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

function distances(own: Float64Array, other: Float64Array, slopes: Float64Array, { rows, factor }: Part): number {
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

/** Distances over the mean of those above 0; all 0 where there is none. */
function scaledDistances(squares: Float64Array): { scaled: Float64Array; mean: number; positive: number } {
  const d = squares.map(Math.sqrt);
  const positive = d.filter((value) => value > 0).length;
  const mean = positive > 0 ? d.reduce((a, b) => a + b, 0) / positive : 0;
  return { scaled: mean > 0 ? d.map((value) => value / mean) : d, mean, positive };
}

/**
 * Cosines of the angles at every corner i between j and k, by their law: c = (D_ij + D_ik - D_jk) / (2 n_ij n_ik), n =
 * sqrt(D).
 */
function angles(own: Float64Array, other: Float64Array, slopes: Float64Array, { rows, factor }: Part): number {
  const [normsOwn, normsOther] = [own, other].map((squares) =>
    squares.map((square) => Math.max(Math.sqrt(square), smallestNorm)),
  );
  if (normsOwn === undefined || normsOther === undefined) throw new Error('two sides');
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

/**
 * Soft labels: the teachers' outputs combined into one distribution a sample. Pure; float64 in a fixed order (teachers
 * in the recipe's, classes from 0), rounded once, and row by row, so that no row depends on its neighbours.
 *
 * Legend: B rows, C classes.
 */
import { weightFactor, type WeightRule } from './weighting.js';

/** The log-probabilities of the ensemble's mixture at a temperature, or the weighted mean of the teachers' raw logits. */
export type EnsembleLabel = { readonly kind: 'mixture'; readonly temperature: number } | { readonly kind: 'logits' };

/** Probabilities are clamped from below here before their log is taken: the smallest normal float32, log = -87.3. */
export const smallestProbability = 2 ** -126;

/** What is averaged over the teachers: their logits, or their probabilities. */
export type Combine = 'logits' | 'probabilities';

/** What a teacher gave, and what it counts. */
export interface WeightedLogits {
  /** [B x C] logits, or log-probabilities, which are logits as well. */
  readonly logits_BC: Float32Array;
  /** The teacher's share: the weights of all teachers sum to 1, or will once they are normalised. */
  readonly weight: number;
  /** The teacher's own temperature; null: that of what is asked for. */
  readonly temperature: number | null;
}

/** What a teacher gave, at a temperature. */
export interface TeacherOutput extends WeightedLogits {
  readonly temperature: number;
}

/** log max(p, smallestProbability), element by element. */
export function logOf(probabilities: Float32Array): Float32Array {
  return probabilities.map((p) => Math.log(Math.max(p, smallestProbability)));
}

/** log p - log (1 - p), each clamped as above. */
export function logitOf(probabilities: Float32Array): Float32Array {
  return probabilities.map(
    (p) => Math.log(Math.max(p, smallestProbability)) - Math.log(Math.max(1 - p, smallestProbability)),
  );
}

/** Weights scaled once so that they sum to 1. @returns null when no weight is above 0 */
export function normaliseWeights(weights: readonly number[]): number[] | null {
  const sum = weights.reduce((a, b) => a + b, 0);
  return sum > 0 && Number.isFinite(sum) ? weights.map((weight) => weight / sum) : null;
}

/** Weights scaled once so that they sum to 1; all 0 when none is above 0. */
export function normalisedOrZero(weights: readonly number[]): number[] {
  return normaliseWeights(weights) ?? weights.map(() => 0);
}

/** How the outputs of teachers are combined. */
export interface Blending {
  readonly combine: Combine;
  readonly classes: number;
  /** What the weights are for each sample, beside what they are for all; absent: the same for all. */
  readonly by?: WeightRule | undefined;
  /** The samples' classes, [B], for weights by label; absent: they are not known, and weights are the same for all. */
  readonly labels_B?: Int32Array | undefined;
}

/** A label of the ensemble as a whole, [B x C], of what its teachers gave. @throws Error when no weight is above 0 */
export function blend(label: EnsembleLabel, outputs: readonly WeightedLogits[], how: Blending): Float32Array {
  const { by, classes } = how;
  if (by === undefined || (by === 'label' && how.labels_B === undefined)) return blendAlike(label, outputs, how);
  const parts = counting(outputs);
  const out_BC = new Float32Array(parts[0].logits_BC.length);
  for (let at = 0; at < out_BC.length; at += classes) {
    const own = parts.map((part) => ({ ...part, logits_BC: part.logits_BC.subarray(at, at + classes) }));
    out_BC.set(blendAlike(label, weighed(own, by, how.labels_B?.[at / classes]), how), at);
  }
  return out_BC;
}

/** The outputs for one sample with their weights for it; as they are where all of these would be 0. */
function weighed(own: readonly WeightedLogits[], by: WeightRule, label: number | undefined): readonly WeightedLogits[] {
  const weights = normaliseWeights(own.map(({ logits_BC, weight }) => weight * weightFactor(by, logits_BC, label)));
  return weights === null ? own : own.map((part, i) => ({ ...part, weight: weights[i] ?? 0 }));
}

function blendAlike(
  label: EnsembleLabel,
  outputs: readonly WeightedLogits[],
  { combine, classes }: Pick<Blending, 'combine' | 'classes'>,
): Float32Array {
  if (label.kind === 'logits') return meanLogits(outputs);
  const { temperature: asked } = label;
  const softened = outputs.map((output) => ({ ...output, temperature: output.temperature ?? asked }));
  return mix(combine, softened, classes);
}

/** How the logits of single teachers become the ensemble's label. */
export interface Mixing extends Blending {
  /** In the recipe's order. Temperature null: that of what is asked for. */
  readonly teachers: readonly { readonly name: string; readonly weight: number; readonly temperature: number | null }[];
  /** [B] names of the teachers that label each sample, weights normalised among them; absent: all label all. */
  readonly routes_B?: readonly (readonly string[])[] | undefined;
}

/**
 * The ensemble's label, [B x C], of its teachers' own logits, as it would have been made of them at once.
 *
 * @param logitsOf a teacher's, [B x C]; those of weight 0 may lack them, and rows of samples that a teacher does not
 * label may hold anything
 */
export function mixed(
  label: EnsembleLabel,
  logitsOf: (teacher: string) => Float32Array | undefined,
  { routes_B, ...mixing }: Mixing,
): Float32Array {
  return routes_B === undefined ? mixedAlike(label, logitsOf, mixing) : mixedByRoute(label, logitsOf, mixing, routes_B);
}

/** The samples of one route after those of another: as no row depends on its neighbours, in their places the same bits. */
function mixedByRoute(
  label: EnsembleLabel,
  logitsOf: (teacher: string) => Float32Array | undefined,
  { teachers, labels_B, ...how }: Mixing,
  routes_B: readonly (readonly string[])[],
): Float32Array {
  const rowsOf = new Map<string, number[]>();
  for (const [row, names] of routes_B.entries()) {
    const key = JSON.stringify(names);
    rowsOf.set(key, [...(rowsOf.get(key) ?? []), row]);
  }
  const width = (values: { readonly length: number }): number => values.length / routes_B.length;
  let out_BC: Float32Array | null = null;
  for (const rows of rowsOf.values()) {
    const own = teachers.filter(({ name }) => routes_B[rows[0] ?? 0]?.includes(name) === true);
    const picked = (teacher: string): Float32Array | undefined => {
      const all = logitsOf(teacher);
      return all && picking(all, rows, width(all));
    };
    const found = mixedAlike(label, picked, {
      ...how,
      teachers: own,
      labels_B: labels_B && picking(labels_B, rows, width(labels_B)),
    });
    const size = found.length / rows.length;
    out_BC ??= new Float32Array(routes_B.length * size);
    for (const [i, row] of rows.entries()) out_BC.set(found.subarray(i * size, (i + 1) * size), row * size);
  }
  return out_BC ?? new Float32Array(0);
}

/** These rows, one after the other. */
function picking<T extends Float32Array | Int32Array>(values: T, rows: readonly number[], width: number): T {
  const out = values.slice(0, rows.length * width) as T;
  for (const [i, row] of rows.entries()) out.set(values.subarray(row * width, (row + 1) * width), i * width);
  return out;
}

function mixedAlike(
  label: EnsembleLabel,
  logitsOf: (teacher: string) => Float32Array | undefined,
  { teachers, ...how }: Mixing,
): Float32Array {
  const weights = normalisedOrZero(teachers.map(({ weight }) => weight));
  const outputs = teachers.flatMap(({ name, temperature }, i): WeightedLogits[] => {
    const [logits_BC, weight = 0] = [logitsOf(name), weights[i]];
    if (logits_BC === undefined && weight > 0) throw new Error(`no logits of teacher ${name}`);
    return logits_BC === undefined ? [] : [{ logits_BC, weight, temperature }];
  });
  return blend(label, outputs, how);
}

/**
 * Log-probabilities of the ensemble's mixture, [B x C].
 *   logits:        log softmax_k(sum_i w_i u_ik / T_i)          the normalised geometric mean
 *   probabilities: log sum_i w_i softmax_k(u_i / T_i)           soften each, then the mean
 * Both by log-sum-exp with the maximum taken out (distillation.md section 1). Teachers of weight 0 are left out.
 */
export function mix(combine: Combine, outputs: readonly TeacherOutput[], classes: number): Float32Array {
  const parts = counting(outputs);
  const out_BC = new Float32Array(parts[0].logits_BC.length);
  const mixRow = combine === 'logits' ? geometricMean : arithmeticMean;
  for (let at = 0; at < out_BC.length; at += classes) out_BC.set(mixRow(parts, at, classes), at);
  return out_BC;
}

/** The weighted mean of the teachers' raw logits, [B x C]: sum_i w_i u_ik. Teachers of weight 0 are left out. */
export function meanLogits(outputs: readonly Pick<WeightedLogits, 'logits_BC' | 'weight'>[]): Float32Array {
  const parts = counting(outputs);
  const mean_BC = new Float64Array(parts[0].logits_BC.length);
  for (const { logits_BC, weight } of parts) logits_BC.forEach((u, i) => (mean_BC[i] = (mean_BC[i] ?? 0) + weight * u));
  return Float32Array.from(mean_BC);
}

/** The outputs with a weight above 0. @throws Error when there are none: an ensemble has at least one */
function counting<T extends { readonly weight: number }>(outputs: readonly T[]): readonly [T, ...T[]] {
  const [first, ...others] = outputs.filter((output) => output.weight > 0);
  if (first === undefined) throw new Error('a mixture of teachers of which none has a weight above 0');
  return [first, ...others];
}

function geometricMean(parts: readonly TeacherOutput[], at: number, classes: number): Float64Array {
  const mean_C = new Float64Array(classes);
  for (const { logits_BC, weight, temperature } of parts) {
    for (let k = 0; k < classes; k++) mean_C[k] = (mean_C[k] ?? 0) + weight * ((logits_BC[at + k] ?? 0) / temperature);
  }
  return logSoftmax(mean_C);
}

function arithmeticMean(parts: readonly TeacherOutput[], at: number, classes: number): Float64Array {
  const terms = parts.map(({ logits_BC, weight, temperature }) => {
    const softened_C = Float64Array.from(logits_BC.subarray(at, at + classes), (u) => u / temperature);
    return logSoftmax(softened_C).map((logp) => logp + Math.log(weight));
  });
  return Float64Array.from({ length: classes }, (_, k) => logSumExp(terms.map((term_C) => term_C[k] ?? 0)));
}

function logSoftmax(values_C: Float64Array): Float64Array {
  const total = logSumExp(values_C);
  return values_C.map((value) => value - total);
}

function logSumExp(values: ArrayLike<number>): number {
  let max = -Infinity;
  for (let i = 0; i < values.length; i++) max = Math.max(max, values[i] ?? 0);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += Math.exp((values[i] ?? 0) - max);
  return max + Math.log(sum);
}

/** Turns the labels, weights, targets and masks that a format has read into a source's annotations. Pure. */
import { counted } from '../../../shared/counted.js';
import { damaged } from './file-errors.js';
import type { Annotations, SampleTargets } from './source.js';

/**
 * Sample weights as float32.
 * @param path the file that errors name
 * @throws UserError 65 for a weight that is negative or not finite, or another number of them
 */
export function toWeights(path: string, values: ArrayLike<number>, samples: number): Float32Array {
  if (values.length !== samples)
    throw damaged(path, `${counted(values.length, 'weight')}; ${samples} were wanted, one for each sample`);
  const weights = Float32Array.from(values);
  const bad = weights.findIndex((weight) => !(weight >= 0) || weight === Infinity);
  if (bad >= 0) throw damaged(path, `sample ${bad} has weight ${values[bad]}; a number from 0 was wanted`);
  return weights;
}

/**
 * Target vectors as float32. A row of NaN alone means that the sample has none.
 * @param path the file that errors name
 * @param values [samples x width]
 * @throws UserError 65 for a number that is not finite, or another number of vectors
 */
export function toTargets(
  path: string,
  values: ArrayLike<number>,
  { width, samples }: { readonly width: number; readonly samples: number },
): { readonly labels: Int32Array; readonly targets: SampleTargets } {
  if (values.length !== samples * width)
    throw damaged(path, `${counted(values.length / width, 'target')}; ${samples} were wanted, one for each sample`);
  const targets: SampleTargets = { width, values: Float32Array.from(values) };
  const labels = new Int32Array(samples);
  for (let row = 0; row < samples; row++) {
    const own = targets.values.subarray(row * width, (row + 1) * width);
    const bad = own.findIndex((value) => !Number.isFinite(value));
    if (bad < 0) continue;
    if (!own.every(Number.isNaN))
      throw damaged(
        path,
        `sample ${row} has ${values[row * width + bad]} in its target, at element ${bad}; finite numbers were wanted, or NaN for all of them where there is none`,
      );
    own.fill(0);
    labels[row] = -1;
  }
  return { targets, labels };
}

/** What a format has read of sequences. */
export interface SequenceValues {
  /** [samples x positions]; null: no position has a label. */
  readonly labels: ArrayLike<number> | null;
  /** [samples x positions], 1 for a position that counts and 0 for another; null: all count. */
  readonly mask: ArrayLike<number> | null;
  /** A label whose positions do not count, whatever the mask says. */
  readonly paddingLabel: number | undefined;
  readonly positions: number;
  readonly samples: number;
  /** [samples] */
  readonly weights: Float32Array | undefined;
}

/**
 * Labels and weights of every position: a position that counts has its sample's weight, one that does not has weight 0
 * and no label.
 * @param path the file that errors name
 * @throws UserError 65 for a mask with other numbers than 0 and 1, or a label that is no class number
 */
export function toSequences(
  path: string,
  { labels, mask, paddingLabel, positions, samples, weights }: SequenceValues,
): { positions: number; labels: Int32Array; weights: Float32Array | undefined } {
  const isPadding = (at: number): boolean => paddingLabel !== undefined && labels?.[at] === paddingLabel;
  const counts = (at: number): boolean => (mask === null || mask[at] === 1) && !isPadding(at);
  const length = samples * positions;
  for (let at = 0; mask !== null && at < length; at++) {
    if (mask[at] !== 0 && mask[at] !== 1)
      throw damaged(
        path,
        `sample ${Math.floor(at / positions)} has ${mask[at]} in its mask, at position ${at % positions}; 0 or 1 was wanted`,
      );
  }
  const isWeighted = weights !== undefined || mask !== null || paddingLabel !== undefined;
  return {
    positions,
    labels: toLabels(
      path,
      Float64Array.from({ length }, (_, at) => (counts(at) ? (labels?.[at] ?? -1) : -1)),
      positions,
    ),
    weights: isWeighted
      ? Float32Array.from({ length }, (_, at) => (counts(at) ? (weights?.[Math.floor(at / positions)] ?? 1) : 0))
      : undefined,
  };
}

/**
 * One label for each sample from a list for each: the one number in it, or the place of the one 1 among zeros.
 * @param labels [samples x width]; -1 throughout for none
 * @returns null for lists of another kind
 */
export function oneOfEach(
  labels: ArrayLike<number>,
  width: number,
): { labels: ArrayLike<number>; classes: number | undefined } | null {
  if (width === 1) return { labels, classes: undefined };
  if (width === 0) return null;
  const found = new Float64Array(labels.length / width).fill(-1);
  for (let row = 0; row < found.length; row++) {
    const own = Array.from({ length: width }, (_, k) => labels[row * width + k] ?? -1);
    const ones = own.filter((label) => label === 1).length;
    const zeros = own.filter((label) => label === 0).length;
    if (ones === 1 && zeros === width - 1) found[row] = own.indexOf(1);
    else if (!own.every((label) => label === -1)) return null;
  }
  return { labels: found, classes: width };
}

const largestLabel = 2 ** 31 - 1;

/**
 * Labels as int32, -1 for none.
 * @param path the file that errors name
 * @param positions labels of a sample
 * @throws UserError 65 for a label that is no class number
 */
export function toLabels(path: string, values: ArrayLike<number>, positions = 1): Int32Array {
  const labels = new Int32Array(values.length);
  for (let i = 0; i < labels.length; i++) {
    const value = values[i] ?? -1;
    if (!Number.isInteger(value) || value < -1 || value > largestLabel)
      throw damaged(
        path,
        `sample ${Math.floor(i / positions)} has label ${value}${positions === 1 ? '' : ` at position ${i % positions}`}; a class number from 0, or -1 for none, was wanted`,
      );
    labels[i] = value;
  }
  return labels;
}

/** The annotations of samples of which nothing is known but their inputs. */
export function noAnnotations(samples: number): Annotations {
  return { labels: new Int32Array(samples).fill(-1) };
}

/** Reading the user's files, with the errors that a user understands. */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { exitCodes, UserError } from '../../../shared/errors.js';
import type { Targets } from './rows.js';

/** @throws UserError 2 where there is no such file, 65 where it cannot be read or unpacked */
export async function readDataFile(path: string): Promise<Buffer> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw fileError(path, error);
  });
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes);
  } catch (error) {
    throw new UserError(`${path}: damaged gzip file; a whole one was wanted`, exitCodes.data, error);
  }
}

export function streamDataFile(path: string): NodeJS.ReadableStream {
  return createReadStream(path);
}

export function fileError(path: string, error: unknown): UserError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return new UserError(`${path}: no such file`, exitCodes.usage, error);
  return new UserError(
    `${path}: cannot be read (${String(code ?? error)}); a readable file was wanted`,
    exitCodes.data,
    error,
  );
}

export function damaged(path: string, text: string): UserError {
  return new UserError(`${path}: ${text}`, exitCodes.data);
}

/** Sample weights as float32. @throws UserError 65 for one that is negative or not finite, or another number of them */
export function toWeights(path: string, values: ArrayLike<number>, samples: number): Float32Array {
  if (values.length !== samples)
    throw damaged(path, `${values.length} weights; ${samples} were wanted, one for each sample`);
  const weights = Float32Array.from(values);
  const bad = weights.findIndex((weight) => !(weight >= 0) || weight === Infinity);
  if (bad >= 0) throw damaged(path, `sample ${bad} has weight ${values[bad]}; a number from 0 was wanted`);
  return weights;
}

export interface TargetRows {
  /** [samples x width] in all; of samples without a target zeros. */
  readonly targets: Targets;
  /** [samples]: 0 for a sample with a target, -1 for one without. */
  readonly labels: Int32Array;
}

/**
 * Target vectors as float32. A row of NaN alone means none.
 * @param values [samples x width] @throws UserError 65 for another number of them, or one that is not finite
 */
export function toTargets(path: string, values: ArrayLike<number>, width: number, samples: number): TargetRows {
  if (values.length !== samples * width)
    throw damaged(path, `${values.length / width} targets; ${samples} were wanted, one for each sample`);
  const targets: Targets = { width, values: Float32Array.from(values) };
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

const largestLabel = 2 ** 31 - 1;

/** What is known of sequences, as it was read. */
export interface SequenceValues {
  /** [samples x positions]; null: no position has a label. */
  readonly labels: ArrayLike<number> | null;
  /** [samples x positions]; null: all count, but those with the padding label. */
  readonly mask: ArrayLike<number> | null;
  readonly paddingLabel: number | undefined;
  readonly positions: number;
  readonly samples: number;
  /** [samples] */
  readonly weights: Float32Array | undefined;
}

/**
 * Labels and weights of every position: a sample's weight where it counts, 0 and no label where it does not. @throws
 * UserError 65 for a mask of other numbers than 0 and 1
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

/** Labels as int32, -1 for none. @throws UserError 65 for one that is no whole number */
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

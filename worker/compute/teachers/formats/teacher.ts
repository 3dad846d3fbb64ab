/**
 * A frozen model that gives one row of logits (or probabilities) for each sample. It runs in inference mode, learns
 * nothing, and is a pure function of its inputs. One file for each format: onnx.ts, layers-model.ts, graph-model.ts,
 * saved-model.ts.
 */
import { exitCodes, UserError } from '../../../../shared/errors.js';
import type { TeacherSpec } from '../../../../shared/protocol/messages.js';
import { editDistance } from '../../../../shared/recipe/nearest.js';
import type { Activation } from '../../../../shared/losses/math/activation.js';
import type { TensorFlow } from '../../backends/backend.js';

/** Asked for only when a teacher needs tfjs, so that a run with ONNX teachers alone never loads it. */
export type OpenTensorFlow = () => Promise<TensorFlow>;

export interface Teacher {
  /** One sample's shape in the model's own layout; null where the model leaves a size open. */
  readonly sampleShape: readonly (number | null)[];
  /** The number of rows that the model insists on; null when any will do. */
  readonly fixedRows: number | null;
  /** Numbers in its weights, moving statistics included. */
  readonly parameters: number;
  /**
   * `shape` is the inputs' whole shape, rows first, in the model's layout. Gives what the model gives: [rows x
   * classes], and the taps that are asked for, by name. `all`: every inner value with a row for each sample, from the
   * input to the output.
   * @throws UserError 65 when the model cannot run on it or gives something else, 2 when it has no such tap
   */
  forward(inputs: Float32Array, shape: readonly number[], taps?: WantedTaps): Promise<ForwardResult>;
  /** Digest of its weights as they are in memory now; null where the library keeps them out of everybody's reach. */
  weightsDigest(): Promise<string | null>;
  dispose(): Promise<void>;
}

export type WantedTaps = readonly string[] | 'all';

export interface ForwardResult {
  /** [rows x classes], or of sequences [rows x positions x classes] */
  readonly output: Float32Array;
  /** Channels last whatever the model's layout. */
  readonly taps: ReadonlyMap<string, Activation>;
}

/** What is needed to open a teacher: `paths` has its files by name, the model file first. */
export interface TeacherSource extends Pick<
  TeacherSpec,
  'name' | 'format' | 'signature' | 'input' | 'outputName' | 'positions'
> {
  readonly paths: ReadonlyMap<string, string>;
}

/** A UserError about a teacher's files, exit code 65. */
export function badModel(name: string, text: string, cause?: unknown): UserError {
  const reason = cause instanceof Error ? `: ${firstLine(cause.message)}` : '';
  return new UserError(`teacher ${name}: ${text}${reason}`, exitCodes.data, cause);
}

/**
 * @returns the output as a new array of [rows x classes], or [rows x positions x classes] @throws UserError 65 when it
 * is no such matrix
 */
export function asRows(
  { name, positions }: Pick<TeacherSource, 'name' | 'positions'>,
  values: ArrayLike<number>,
  shape: readonly number[],
  rows: number,
): Float32Array {
  const isMatrix =
    shape[0] === rows &&
    (positions === undefined
      ? shape.length >= 2 && shape.slice(2).every((dim) => dim === 1)
      : shape.length === 3 && shape[1] === positions);
  if (!isMatrix)
    throw badModel(
      name,
      `its output has the shape [${shape.join(', ')}]; wanted [${[rows, ...(positions === undefined ? [] : [positions])].join(', ')}, classes]`,
    );
  return Float32Array.from(values);
}

/** A UserError about a tap that the model lacks, exit code 2; names the nearest ones. */
export function unknownTap(teacher: string, tap: string, known: readonly string[]): UserError {
  const distance = new Map(
    known.map((name) => [name, name.includes(tap) ? 0 : editDistance(tap.toLowerCase(), name.toLowerCase())]),
  );
  const ranked = [...distance].sort(([, a], [, b]) => a - b).slice(0, 3);
  return new UserError(
    `teacher ${teacher}: tap "${tap}": the model has no such name; nearest: ${ranked.map(([name]) => `"${name}"`).join(', ')}`,
  );
}

/**
 * The one of `names` that is wanted, or the only one. @throws UserError 2 when there is none, or several to choose from
 */
export function pickName(what: string, names: readonly string[], wanted: string | undefined): string {
  const found = wanted === undefined && names.length === 1 ? names[0] : names.find((name) => name === wanted);
  if (found !== undefined) return found;
  const list = names.map((name) => `"${name}"`).join(', ');
  if (wanted === undefined)
    throw new UserError(`${what}: the model has ${names.length} of them (${list}); name one in the recipe`);
  throw new UserError(`${what} "${wanted}": the model has no such name; it has ${list}`);
}

/** A text's first line, cut to what fits a message. */
export function firstLine(text: string): string {
  return text.split('\n', 1)[0]?.slice(0, 300) ?? '';
}

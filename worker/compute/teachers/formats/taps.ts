/** Inner values of a teacher: as a model gives them to activations, and the shapes of those that it has. */
import type { Activation } from '../../../../shared/losses/math/activation.js';
import { toChannelsLast } from './layout.js';
import { badModel } from './model-errors.js';
import type { InputValues, Teacher, WantedTaps } from './teacher.js';

/** A tap's name and one sample's shape, channels last. */
export interface TapShape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A tensor as a library gives it, its rows first. */
export interface RawTap {
  readonly name: string;
  readonly values: Float32Array;
  readonly dims: readonly number[];
}

/** Whose values are read as taps, and how they are laid out. */
export interface TapContext {
  readonly teacher: string;
  readonly rows: number;
  readonly wanted: WantedTaps;
  /** Values of four sizes and more are [rows, channels, ...], as ONNX's operators have them. */
  readonly isChannelsFirst: boolean;
}

/**
 * By name, channels last. Of `all`, values without a row for each sample (constants, shapes) are left out.
 * @throws UserError 65 when a tap that is wanted by name has no row for each sample
 */
export function activationsOf(
  raw: readonly RawTap[],
  { teacher, rows, wanted, isChannelsFirst }: TapContext,
): Map<string, Activation> {
  const found = new Map<string, Activation>();
  for (const { name, values, dims } of raw) {
    const [first, ...shape] = dims;
    const fits = first === rows && shape.length > 0;
    if (!fits && wanted !== 'all')
      throw badModel(teacher, `its tap "${name}" has the shape [${dims.join(', ')}]; wanted [${rows}, ...]`);
    if (fits)
      found.set(
        name,
        isChannelsFirst && shape.length > 2
          ? { values: toChannelsLast(values, shape), shape: channelsLast(shape) }
          : { values, shape },
      );
  }
  return found;
}

function channelsLast(shape: readonly number[]): number[] {
  return [...shape.slice(1), ...shape.slice(0, 1)];
}

/**
 * Shapes of the named taps, or of all that the teacher has, in their order from the input to the output, from one
 * forward.
 * @param zerosFor what the teacher's inputs are given of so many samples of zeros
 * @throws UserError 2 when a named tap is none of the model
 */
export async function tapShapes(
  teacher: Teacher,
  zerosFor: (rows: number) => readonly InputValues[],
  wanted: WantedTaps,
): Promise<TapShape[]> {
  if (wanted.length === 0) return [];
  // More than one row, so that a value without a row for each sample shows.
  const { taps } = await teacher.forward(zerosFor(teacher.fixedRows ?? 3), wanted);
  return [...taps].map(([name, { shape }]) => ({ name, shape }));
}

/**
 * A teacher's own preprocessing. Samples come preprocessed for the student, x = (raw * s - m) / d; the teacher wants
 * y = (raw * s' - m') / d'. Both are affine in each channel, and so is y in x:
 *
 *     y = x * factor + offset,   factor = d s' / (s d'),   offset = (m s' / s - m') / d'
 *
 * computed in float64 and rounded to float32 once. x itself was rounded, so that y is 2.9999998 for 3, and a tree that
 * asks whether y is below 3 goes the other way. Where y is to be the raw sample, it is therefore the roundest number
 * among those that x may stand for: whole numbers and short decimals, as tables and images have them, come back to the
 * bit. Pure.
 */
import { counted } from '../../../shared/counted.js';
import { UserError } from '../../../shared/errors.js';
import type { TeacherSpec } from '../../../shared/protocol/messages.js';
import type { Preprocess } from '../../../shared/recipe/schema.js';

/** The factor and the offset of each channel, from the student's samples to the teacher's. */
export type Rescale = NonNullable<TeacherSpec['rescale']>;

/** How many channels the data's samples have, and how many the model takes of them. */
export interface ChannelCounts {
  readonly samples: number;
  readonly model: number;
}

/**
 * For as many channels as the more of the two have.
 * @param student what the samples have been through; null for nothing @throws UserError 2 when that cannot be undone,
 * or for a wrong number of channels
 */
export function rescaleOf(
  teacher: string,
  own: Preprocess,
  student: Preprocess | null,
  { samples, model }: ChannelCounts,
): Rescale {
  const { scale, mean, std } = student ?? { scale: 1, mean: [0], std: [1] };
  if (scale === 0)
    throw new UserError(
      `teacher ${teacher}: preprocess: data.preprocess.scale is 0, from which no sample can be had back`,
    );
  for (const [key, values] of [
    ['mean', own.mean],
    ['std', own.std],
  ] as const) {
    if (values.length !== 1 && values.length !== model)
      throw new UserError(
        `teacher ${teacher}: preprocess.${key}: ${counted(values.length, 'value')} given; ${model === 1 ? '1' : `1 or ${model}`} (the channels) wanted`,
      );
  }
  const channels = Math.max(samples, model);
  const at = (values: readonly number[], c: number, otherwise: number): number =>
    values[values.length === 1 ? 0 : c] ?? otherwise;
  const each = Array.from({ length: channels }, (_, c) => ({
    m: at(mean, c, 0),
    d: at(std, c, 1),
    ownMean: at(own.mean, c, 0),
    ownStd: at(own.std, c, 1),
  }));
  const isRaw = own.scale === 1 && own.mean.every((value) => value === 0) && own.std.every((value) => value === 1);
  return {
    ...(isRaw ? { isRaw } : {}),
    factor: each.map(({ d, ownStd }) => (d * own.scale) / (scale * ownStd)),
    offset: each.map(({ m, ownMean, ownStd }) => ((m * own.scale) / scale - ownMean) / ownStd),
  };
}

/** `inputs` is channels last. */
export function rescale(inputs: Float32Array, { factor, offset, isRaw }: Rescale): Float32Array {
  const channels = factor.length;
  return inputs.map((x, i) => {
    const scaled = x * (factor[i % channels] ?? 1);
    const shift = offset[i % channels] ?? 0;
    return isRaw === true ? roundest(scaled + shift, uncertainty(scaled, shift)) : scaled + shift;
  });
}

/**
 * How far scaled + shift may be from the raw sample. With u = 2^-24, half of float32's step relative to a number, `normalise`
 * rounds scale and product (2u of raw), mean and difference (u of m / s, u of x d / s), deviation and quotient (2u of
 * x d / s); raw was rounded itself (u), and |raw| <= |x d / s| + |m / s|.
 */
function uncertainty(scaled: number, shift: number): number {
  return 2 ** -24 * (6 * Math.abs(scaled) + 4 * Math.abs(shift));
}

/** Of the decimals with up to four places within `within` of `value` the one with the fewest; else `value`. */
function roundest(value: number, within: number): number {
  for (let parts = 1; parts <= 10_000; parts *= 10) {
    const candidate = Math.round(value * parts) / parts + 0; // -0 becomes 0
    if (Math.abs(candidate - value) <= within) return candidate;
  }
  return value;
}

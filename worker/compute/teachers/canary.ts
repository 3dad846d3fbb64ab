/**
 * A teacher's canary: one sample of noise from a key, and what the teacher gave for it where the run was prepared. A
 * worker whose copy gives something else (a broken kernel, another version of a library) must not label; a teacher that
 * gives something else later has learnt or forgotten, and was not frozen.
 */
import { randomStream } from '../../../shared/random.js';
import { elementsIn } from '../../../shared/shape.js';
import type { TeacherFeed } from './feed.js';
import { badModel } from './formats/model-errors.js';

/** Share of the output's largest value that float32 on another device, or quantized kernels, may differ by. */
const tolerance = 0.02;

/**
 * Numbers in [-1, 1), in the shape of the data's samples; for a model of whole numbers zeros and ones, which are tokens
 * to one that reads such.
 */
export function canarySample(
  teacher: string,
  { sampleShape, isWhole }: Pick<TeacherFeed, 'sampleShape' | 'isWhole'>,
): Float32Array {
  const stream = randomStream(['canary', teacher]);
  const length = elementsIn(sampleShape);
  return Float32Array.from({ length }, () => (isWhole ? Math.floor(2 * stream.float()) : 2 * stream.float() - 1));
}

/** @throws UserError 65 when `found` is further from `expected` than devices are apart */
export function checkCanary(teacher: string, found: Float32Array, expected: readonly number[]): void {
  const other = otherThan(found, expected);
  if (other === null) return;
  throw badModel(
    teacher,
    `on a known sample it gives ${other.found} as output ${other.at}; ${other.expected} wanted, as where the run was prepared`,
  );
}

/** An output that is not as expected; `found` is undefined where there is none. */
export interface OtherOutput {
  readonly at: number;
  readonly found: number | undefined;
  readonly expected: number | undefined;
}

/** The first output that is further from what is expected than devices are apart; null where there is none. */
export function otherThan(found: ArrayLike<number>, expected: readonly number[]): OtherOutput | null {
  const scale = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 1e-6);
  const first = expected.findIndex((value, i) => !(Math.abs((found[i] ?? NaN) - value) <= tolerance * scale));
  if (first < 0 && found.length === expected.length) return null;
  const at = first < 0 ? expected.length : first;
  return { at, found: found[at], expected: expected[at] };
}

/** A teacher as it is: what it gives for its canary, and its weights, where they can be seen. */
export interface Sighting {
  readonly output: Float32Array;
  readonly weights: string | null;
}

/** @throws UserError 65 when a bit has changed */
export function checkFrozen(teacher: string, found: Sighting, before: Sighting): void {
  if (found.weights !== before.weights)
    throw badModel(teacher, 'its weights have changed since it was opened; a frozen model wanted');
  if (found.output.every((value, i) => Object.is(value, before.output[i]))) return;
  throw badModel(teacher, 'its output for a known sample has changed since it was opened; a frozen model wanted');
}

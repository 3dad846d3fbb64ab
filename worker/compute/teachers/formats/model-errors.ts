/** What is said of a teacher's model that is not as it should be, in the same words for every format. */
import { exitCodes, UserError } from '../../../../shared/errors.js';
import { editDistance } from '../../../../shared/recipe/nearest.js';
import type { TeacherSource } from './teacher.js';

/** A UserError about a teacher's files, exit code 65. */
export function badModel(name: string, text: string, cause?: unknown): UserError {
  const reason = cause instanceof Error ? `: ${firstLine(cause.message)}` : '';
  return new UserError(`teacher ${name}: ${text}${reason}`, exitCodes.data, cause);
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
 * The output as a new array of [rows x classes], or [rows x positions x classes].
 *
 * @param shape of the values as the library gives them
 * @throws UserError 65 when they are no such matrix
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

/**
 * The one of `names` that is wanted, or the only one.
 *
 * @param what the thing that is named, for messages
 * @throws UserError 2 when there is none, or several to choose from
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

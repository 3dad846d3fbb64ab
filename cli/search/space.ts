/**
 * The space that a search looks in: one dimension for each key of the recipe that it sets. A point of the space has a
 * coordinate for each dimension: of numbers their place between the ends, from 0 to 1, of choices their index. Pure.
 */
import { mustAt } from '../../shared/must.js';
import type { SearchRange } from '../../shared/recipe/search-schema.js';

/** What a key of the recipe is set to. */
export type KeyValue = number | string | boolean;

/** What a trial sets: by the key's path, as `--set` has it. */
export type TrialValues = Readonly<Record<string, KeyValue>>;

/** A key of the recipe, and what it may be. */
export interface Dimension {
  /** The key's path, as `--set` has it. */
  readonly key: string;
  readonly range: SearchRange;
}

/** One coordinate for each dimension, in their order. */
export type Point = readonly number[];

/** Digits of the numbers that are proposed: they stand in files and tables that people read. */
const digits = 5;

/** How many choices a dimension has; null for one of numbers. */
export function choicesIn({ range }: Dimension): number | null {
  return 'choices' in range ? range.choices.length : null;
}

/** The value at a coordinate. Numbers are rounded to five digits, whole ones to the next. */
export function valueAt({ range }: Dimension, coordinate: number): KeyValue {
  if ('choices' in range) return mustAt(range.choices, coordinate, 'choice');
  const { from, to, scale, whole } = range;
  const exact =
    scale === 'log' ? Math.exp(Math.log(from) + coordinate * Math.log(to / from)) : from + coordinate * (to - from);
  return Math.min(to, Math.max(from, whole ? Math.round(exact) : Number(exact.toPrecision(digits))));
}

/** The coordinate of a value; null for one that is not in the range. */
export function coordinateOf({ range }: Dimension, value: unknown): number | null {
  if ('choices' in range) {
    const index = range.choices.findIndex((choice) => choice === value);
    return index === -1 ? null : index;
  }
  const { from, to, scale, whole } = range;
  if (typeof value !== 'number' || value < from || value > to || (whole && !Number.isInteger(value))) return null;
  return scale === 'log' ? Math.log(value / from) / Math.log(to / from) : (value - from) / (to - from);
}

/** The values at a point. */
export function valuesAt(space: readonly Dimension[], point: Point): TrialValues {
  return Object.fromEntries(
    space.map((dimension, i) => [dimension.key, valueAt(dimension, mustAt(point, i, 'coordinate'))]),
  );
}

/** The point of some values; null where one is missing or not in its range. */
export function pointOf(space: readonly Dimension[], values: Readonly<Record<string, unknown>>): Point | null {
  const found = space.map((dimension) => coordinateOf(dimension, values[dimension.key]));
  return found.every((coordinate) => coordinate !== null) ? found : null;
}

/** The values as assignments that `--set` takes. */
export function assignments(values: TrialValues): string[] {
  return Object.entries(values).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? JSON.stringify(value) : value}`,
  );
}

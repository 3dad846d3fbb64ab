/** The curves as the page holds them, put together from the parts that come. Pure. */
import type { CurvePart } from './messages.js';

/** One value a bucket; null for none. */
export type HeldSeries = Record<'min' | 'max' | 'mean', (number | null)[]>;

/** Puts a part in its place. A series that is new has nothing in the buckets before it. */
export function addPart(held: Map<string, HeldSeries>, { from, series }: CurvePart): void {
  for (const [name, part] of Object.entries(series)) {
    const known = held.get(name) ?? { min: [], max: [], mean: [] };
    held.set(name, known);
    for (const key of ['min', 'max', 'mean'] as const) {
      while (known[key].length < from) known[key].push(null);
      known[key].length = from;
      for (const value of part[key]) known[key].push(value);
    }
  }
}

/** Invariants about maps, said where they hold: a key that has to be there and is not is a bug, and never a default. */

/**
 * The value that a map holds for a key that must be in it.
 *
 * @param what the kind of thing that the map holds, for the error's text, for example `teacher`
 * @throws Error naming the key when the map does not hold it: a bug in this program, never a fault of the user's
 */
export function must<K, V>(map: ReadonlyMap<K, V>, key: K, what = 'entry'): V {
  const value = map.get(key);
  if (value === undefined && !map.has(key)) throw new Error(`no ${what} for ${String(key)}`);
  return value as V;
}

/**
 * Invariants about maps and lists, said where they hold: an entry that has to be there and is not is a bug, and never
 * a default.
 */

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

/**
 * The element of a list at an index that must be in it.
 *
 * @param what the kind of thing that the list holds, for the error's text, for example `shard`
 * @throws RangeError naming the index when the list does not reach so far: a bug in this program, never a fault of the
 * user's
 */
export function mustAt<T>(list: readonly T[], index: number, what = 'entry'): T {
  const value = list[index];
  if (value === undefined) throw new RangeError(`no ${what} ${index} among ${list.length}`);
  return value;
}

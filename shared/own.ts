/** Looks a name from elsewhere up in a table of ours: `constructor` and the like are names of every object. Pure. */

/** The table's entry of that name; undefined where it has none of its own. */
export function ownEntry<T>(table: Readonly<Partial<Record<string, T>>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** What is wrong, or odd, with a key of a recipe. Pure. */
import type { Path } from './source-lines.js';

export interface Finding {
  /** The key that it is about. */
  readonly path: Path;
  /** A line without the place in the file; it begins with the key's path. */
  readonly text: string;
}

/** A finding on a key; the text goes behind the key's path. */
export function at(path: readonly (string | number)[], text: string): Finding {
  return { path, text: `${path.join('.')}: ${text}` };
}

/** The finding if it is so, else none. */
export function when(isSo: boolean, path: readonly (string | number)[], text: string): Finding[] {
  return isSo ? [at(path, text)] : [];
}

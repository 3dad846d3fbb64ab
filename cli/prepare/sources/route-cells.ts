/** What a column says of who labels each sample, gathered cell by cell. Pure. */
import { damaged } from './file-errors.js';
import type { SampleRoutes } from './source.js';

/** The cells of one file's column. */
export class RouteCells {
  readonly #places = new Map<string, number>();
  readonly #of: number[] = [];

  /** @param path the file that errors name */
  constructor(private readonly path: string) {}

  /**
   * Takes the next sample's cell: a text, a number, true or false. Null, NaN and an empty text say nothing.
   * @param where names the cell in errors
   * @throws UserError 65 for a cell that holds something else
   */
  add(value: unknown, where: string): void {
    const text = this.#textOf(value, where);
    if (text === '') return void this.#of.push(-1);
    const place = this.#places.get(text) ?? this.#places.size;
    this.#places.set(text, place);
    this.#of.push(place);
  }

  routes(): SampleRoutes {
    return { values: [...this.#places.keys()], of: Int32Array.from(this.#of) };
  }

  #textOf(value: unknown, where: string): string {
    if (value === null || value === undefined || Number.isNaN(value)) return '';
    if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8').trim();
    if (typeof value === 'string') return value.trim();
    if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
    throw damaged(
      this.path,
      `${where} holds ${JSON.stringify(value)}; a text or a number, by which teachers are chosen, was wanted`,
    );
  }
}

/** The routes of several files, one after the other. */
export function joinedRoutes(parts: readonly (SampleRoutes | undefined)[]): SampleRoutes | undefined {
  const found = parts.filter((part) => part !== undefined);
  if (found.length === 0) return undefined;
  const values = [...new Set(found.flatMap((part) => part.values))];
  const of = new Int32Array(found.reduce((sum, part) => sum + part.of.length, 0));
  let next = 0;
  for (const part of found) {
    const places = part.values.map((value) => values.indexOf(value));
    for (const place of part.of) of[next++] = place < 0 ? -1 : (places[place] ?? -1);
  }
  return { values, of };
}

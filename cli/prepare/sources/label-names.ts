/**
 * Reads labels as users write them: class numbers, true and false, or names. Names that the recipe does not give are
 * numbered in their order as texts once all are known, as scikit-learn's `LabelEncoder` does. Pure.
 */
import { counted } from '../../../shared/counted.js';
import { damaged } from './file-errors.js';
import type { Note } from './source.js';

/** A name that has no number yet stands as this and its place among the names found: no label is as great. */
const provisional = 2 ** 40;

const truths = new Map([
  ['true', 1],
  ['false', 0],
]);

/** The labels of one file. */
export class LabelNames {
  readonly #known: ReadonlyMap<string, number> | null;
  readonly #found = new Map<string, number>();
  /** Where a number stands, and where a name, first. */
  #number: string | null = null;
  #name: string | null = null;

  /**
   * @param path the file that errors name
   * @param known names by class number, where the recipe or the training set gives them
   */
  constructor(
    private readonly path: string,
    private readonly known: readonly string[] | undefined,
  ) {
    this.#known = known === undefined ? null : new Map(known.map((name, label) => [name, label]));
  }

  /**
   * A class number, -1 for none, or a provisional number.
   * @param where names the cell in errors
   * @throws UserError 65 for something that is no label
   */
  read(value: unknown, where: string): number {
    if (value === null || value === undefined) return -1;
    if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
    if (typeof value === 'boolean') return Number(value);
    if (typeof value === 'string') return this.#readText(value, where);
    if (value instanceof Uint8Array) return this.#readText(Buffer.from(value).toString('utf8'), where);
    const wish = this.known === undefined ? 'a class number, or a name' : `one of ${this.known.join(', ')}`;
    throw damaged(this.path, `${where} holds ${JSON.stringify(value)}; ${wish} was wanted`);
  }

  #readText(text: string, where: string): number {
    const name = text.trim();
    const known = this.#known?.get(name) ?? this.#known?.get(text);
    if (known !== undefined) return known;
    if (name === '' || name.toLowerCase() === 'nan') return -1;
    const number = truths.get(name.toLowerCase()) ?? Number(name);
    if (!Number.isNaN(number)) {
      this.#number ??= `${where} holds ${JSON.stringify(name)}`;
      return number;
    }
    if (this.known !== undefined)
      throw damaged(this.path, `${where} holds ${JSON.stringify(name)}; one of ${this.known.join(', ')} was wanted`);
    this.#name ??= `${where} holds ${JSON.stringify(name)}`;
    const at = this.#found.get(name) ?? this.#found.size;
    this.#found.set(name, at);
    return provisional + at;
  }

  /**
   * Numbers the names that were found.
   * @param labels as they were read
   * @returns the labels, and the names by class number where there are some
   * @throws UserError 65 where some labels are names and others numbers
   */
  resolve(labels: readonly number[]): { labels: readonly number[]; classNames: readonly string[] | undefined } {
    if (this.#name === null) return { labels, classNames: undefined };
    const number =
      this.#number ?? (labels.some((label) => label >= 0 && label < provisional) ? 'others are numbers' : null);
    if (number !== null)
      throw damaged(
        this.path,
        `${this.#name}, but ${number}; class numbers, or names throughout (data.classNames), were wanted`,
      );
    const classNames = [...this.#found.keys()].sort();
    const order = [...this.#found.keys()].map((name) => classNames.indexOf(name));
    return { labels: labels.map((label) => (label < 0 ? label : (order[label - provisional] ?? -1))), classNames };
  }
}

const mostNamed = 10;

/** What the user is told of classes that were found by name. */
export function classNotes(path: string, names: readonly string[] | undefined): Note[] {
  if (names === undefined) return [];
  const more = names.length > mostNamed ? ` and ${names.length - mostNamed} more` : '';
  return [
    {
      text: `${path}: ${counted(names.length, 'class')} by name: ${names.slice(0, mostNamed).join(', ')}${more}`,
      isOdd: false,
    },
  ];
}

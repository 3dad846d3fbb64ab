/**
 * What the bits of each kept row depend on, as its sender said: rows of one sample are comparable only where that is
 * the same. Rows that were on the disk when the run began are of nobody. Pure.
 */

/** Kinds of numerics that are told apart; all beyond them count as unknown. */
const mostKinds = 255;

export class Makers {
  readonly #kinds: string[] = [];
  /** For each row of a block the number of its kind, from 1 on; 0: unknown. */
  readonly #byBlock = new Map<string, Uint8Array>();

  /** A row is of a sender of these numerics. @param rows rows of the block in all */
  mark(block: string, { row, rows }: { readonly row: number; readonly rows: number }, numerics: string | null): void {
    const kinds = this.#byBlock.get(block) ?? new Uint8Array(rows);
    this.#byBlock.set(block, kinds);
    kinds[row] = this.#kindOf(numerics);
  }

  /** What the row's bits depend on; null where it is not known. */
  numericsOf(block: string, row: number): string | null {
    return this.#kinds[(this.#byBlock.get(block)?.[row] ?? 0) - 1] ?? null;
  }

  #kindOf(numerics: string | null): number {
    if (numerics === null) return 0;
    const known = this.#kinds.indexOf(numerics) + 1;
    if (known > 0 || this.#kinds.length === mostKinds) return known;
    return this.#kinds.push(numerics);
  }
}

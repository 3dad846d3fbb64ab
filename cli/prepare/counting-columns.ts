/** Finds columns that count the samples, which no model should learn from. Pure. */

/** Fewer samples than these may count by chance. */
const fewSamples = 10;

/** The columns of which every sample so far holds one more than the sample before. */
export class CountingColumns {
  #first: Float32Array | null = null;
  #columns: readonly number[];
  #samples = 0;

  /** @param width numbers of a sample */
  constructor(private readonly width: number) {
    this.#columns = Array.from({ length: width }, (_, column) => column);
  }

  /** @param rows [samples x width], the samples that follow those before */
  add(rows: ArrayLike<number>): void {
    const { width } = this;
    const samples = rows.length / width;
    this.#first ??= Float32Array.from({ length: width }, (_, column) => rows[column] ?? 0);
    const first = this.#first;
    this.#columns = this.#columns.filter((column) => {
      for (let row = 0; row < samples; row++)
        if (rows[row * width + column] !== (first[column] ?? 0) + this.#samples + row) return false;
      return true;
    });
    this.#samples += samples;
  }

  /** The columns that count, with the number that each counts from. */
  found(): { column: number; from: number }[] {
    if (this.#samples < fewSamples) return [];
    return this.#columns.map((column) => ({ column, from: this.#first?.[column] ?? 0 }));
  }
}

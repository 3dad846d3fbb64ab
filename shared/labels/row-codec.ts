/** How rows of soft labels lie in memory: what every way to keep them has in common. */

/** Rows in one piece of memory. */
export interface LabelRows {
  /** Keeps values[at .. at + classes) as row `row`. */
  write(row: number, values: Float32Array, at: number): void;
  /** Puts row `row` into out[at .. at + classes). */
  read(row: number, out: Float32Array, at: number): void;
  /** Why the bytes of the row can be no label (row-faults.ts); null where they can. */
  fault(row: number): string | null;
}

/** A way to keep rows. */
export interface RowCodec {
  /** Bytes of a row; of floats and halves a multiple of 4. */
  readonly rowBytes: number;
  /** @param from byte offset of row 0, a multiple of 4 */
  readonly open: (memory: ArrayBuffer, from: number, rows: number) => LabelRows;
}

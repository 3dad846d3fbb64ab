/** Rows of float32 in a spool: a piece of it that grows row by row, while nothing else is added there. */
import type { Spool } from './spool.js';

export class FloatRows {
  readonly #start: number;

  /** @param size numbers of a row */
  constructor(
    private readonly spool: Spool,
    private readonly size: number,
  ) {
    this.#start = spool.begin();
  }

  /** Adds a row of zeros. @returns where it lies, for the caller to write to until the spool grows again */
  add(): Float32Array {
    const bytes = this.spool.extend(4 * this.size);
    return new Float32Array(bytes.buffer, bytes.byteOffset, this.size);
  }

  /** The rows [from, to), in memory of their own. */
  read(from: number, to: number): Float32Array {
    const rows = new Float32Array((to - from) * this.size);
    this.spool.read(new Uint8Array(rows.buffer), this.#start + 4 * from * this.size);
    return rows;
  }
}

/** A list of float32 that grows: 4 bytes a number, and at most twice as many while it grows. Pure. */
export class FloatList {
  #values = new Float32Array(0);
  #length = 0;

  /** Adds that many zeros. @returns where they lie, for the caller to write to until the list grows again */
  extend(count: number): Float32Array {
    const from = this.#length;
    this.#length += count;
    if (this.#length > this.#values.length) {
      const larger = new Float32Array(Math.max(this.#length, 2 * this.#values.length));
      larger.set(this.#values);
      this.#values = larger;
    }
    return this.#values.subarray(from, this.#length);
  }

  /** The numbers [from, to), where they lie. */
  slice(from: number, to: number): Float32Array {
    return this.#values.subarray(from, to);
  }
}

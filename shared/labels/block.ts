/**
 * A label block: the labels of up to some hundred consecutive samples of one shard, in one piece of memory that is also
 * the file's content. Rows may be missing; those that are there never change.
 *
 *   u32 x 4 LE: magic, version, rows, bytes of a row | one bit a row: is it there | rows
 */
import type { LabelRows, RowCodec } from './row-codec.js';

/**
 * What became of a row that was to be added. `there`: it was there with the same bytes. `other`: with other bytes, which
 * stay. `impossible`: it can be no label.
 */
export type Addition = 'added' | 'there' | 'other' | 'impossible';

const magic = 0x424c4853; // "SHLB"
const version = 1;
const headerBytes = 16;

export class LabelBlock {
  /** Rows that it may hold. */
  readonly rows: number;
  /** The file's content. It changes while rows are added: copy it before it leaves the thread. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #codec: RowCodec;
  readonly #present: Uint32Array;
  readonly #values: LabelRows;
  #count = 0;
  /** A bit for each row that the run wants; null: all. */
  #wanted: Uint32Array | null = null;

  /** @param content a whole file, of which the block takes a copy; without it the block is empty */
  constructor(codec: RowCodec, rows: number, content?: Uint8Array) {
    this.rows = rows;
    this.#codec = codec;
    this.bytes = new Uint8Array(blockBytes(codec, rows));
    const memory = this.bytes.buffer;
    new Uint32Array(memory, 0, 4).set([magic, version, rows, codec.rowBytes]);
    if (content !== undefined) this.bytes.set(content);
    this.#present = new Uint32Array(memory, headerBytes, Math.ceil(rows / 32));
    this.#values = codec.open(memory, rowsAt(rows), rows);
    this.#count = bitsIn(this.#present);
  }

  /** Rows that it holds. */
  get count(): number {
    return this.#count;
  }

  /** Rows that the run wants, whether it holds them or not. */
  get wantedRows(): number {
    return this.#wanted === null ? this.rows : bitsIn(this.#wanted);
  }

  /** Rows that the run wants and the block holds. */
  get wantedCount(): number {
    return this.#wanted === null ? this.#count : bitsIn(this.#wanted.map((word, i) => word & (this.#present[i] ?? 0)));
  }

  /** Whether it holds every row that the run wants. */
  get isComplete(): boolean {
    if (this.#wanted === null) return this.#count === this.rows;
    return this.#wanted.every((word, i) => (word & ~(this.#present[i] ?? 0)) === 0);
  }

  /** Says which rows the run wants, by a bit for each; before, and with null, it wants all. */
  want(rows: Uint32Array | null): void {
    this.#wanted = rows;
  }

  /** Whether the run wants that row. */
  wants(row: number): boolean {
    return this.#wanted === null || ((this.#wanted[row >>> 5] ?? 0) & (1 << (row & 31))) !== 0;
  }

  has(row: number): boolean {
    return ((this.#present[row >>> 5] ?? 0) & (1 << (row & 31))) !== 0;
  }

  /** Adds row `row` from `values` at `at`; a row that is there already stays as it is. */
  add(row: number, values: Float32Array, at: number): void {
    if (this.has(row)) return;
    this.#values.write(row, values, at);
    this.#mark(row);
  }

  /** Puts row `row` into `out` at `at`. */
  read(row: number, out: Float32Array, at: number): void {
    this.#values.read(row, out, at);
  }

  /** The bytes of one row, a view. */
  rowBytes(row: number): Uint8Array {
    const from = rowsAt(this.rows) + row * this.#codec.rowBytes;
    return this.bytes.subarray(from, from + this.#codec.rowBytes);
  }

  /** The same, unless the row, as it is kept, can be no label (row-faults.ts). @returns whether it was added */
  addSound(row: number, values: Float32Array, at: number): boolean {
    if (this.has(row)) return false;
    this.#values.write(row, values, at);
    if (this.#values.fault(row) !== null) return false;
    this.#mark(row);
    return true;
  }

  /** Adds a row as another machine has encoded it; a row that is there already stays as it is. */
  addBytes(row: number, bytes: Uint8Array): Addition {
    if (this.has(row)) return Buffer.compare(this.rowBytes(row), bytes) === 0 ? 'there' : 'other';
    this.rowBytes(row).set(bytes);
    if (this.#values.fault(row) !== null) return 'impossible';
    this.#mark(row);
    return 'added';
  }

  /** The first row that can be no label, and why; null where all can. */
  fault(): { readonly row: number; readonly fault: string } | null {
    for (let row = 0; row < this.rows; row++) {
      const fault = this.has(row) ? this.#values.fault(row) : null;
      if (fault !== null) return { row, fault };
    }
    return null;
  }

  /** Takes over the rows that are missing here. */
  merge(other: LabelBlock): void {
    for (let row = 0; row < this.rows; row++) if (other.has(row)) this.addBytes(row, other.rowBytes(row));
  }

  #mark(row: number): void {
    this.#present[row >>> 5] = (this.#present[row >>> 5] ?? 0) | (1 << (row & 31));
    this.#count++;
  }
}

/** Size of the file of a block, in bytes. */
export function blockBytes(codec: RowCodec, rows: number): number {
  return rowsAt(rows) + rows * codec.rowBytes;
}

/** A file's content as a block; null when it is no block of this form. */
export function decodeBlock(codec: RowCodec, rows: number, content: Uint8Array): LabelBlock | null {
  if (content.length !== blockBytes(codec, rows)) return null;
  const header = new DataView(content.buffer, content.byteOffset, headerBytes);
  const wanted = [magic, version, rows, codec.rowBytes];
  if (wanted.some((value, i) => header.getUint32(4 * i, true) !== value)) return null;
  const block = new LabelBlock(codec, rows, content);
  return block.count <= rows ? block : null;
}

function rowsAt(rows: number): number {
  return headerBytes + 4 * Math.ceil(rows / 32);
}

function bitsIn(words: Uint32Array): number {
  return words.reduce((sum, word) => sum + bitCount(word), 0);
}

function bitCount(word: number): number {
  let count = 0;
  for (let rest = word >>> 0; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count++;
  return count;
}

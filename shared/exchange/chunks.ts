/**
 * Payloads longer than a frame's: cut into chunks, and put together again. Chunks travel in order on one socket, so
 * "every byte exactly once" is: each chunk starts where the last one ended. What breaks that, or another total, is
 * refused before a byte of it is written; a checksum that does not match is found where the bytes have come to lie, and
 * they count as not come: nobody reads a target before it is complete.
 */
import { ProtocolError } from '../errors.js';
import { checksumOf } from '../replica/checksum.js';
import { closeCodes, limits } from '../protocol/messages.js';

export interface ChunkRange {
  readonly offset: number;
  readonly length: number;
}

/** The header fields of `chunk` and `commitChunk`. */
export interface ChunkHeader {
  readonly offset: number;
  readonly total: number;
  readonly checksum: number;
}

/** Half-open ranges that cover [0, total) once, in order; none for 0. */
export function split(total: number, chunkBytes: number = limits.chunkBytes): ChunkRange[] {
  return Array.from({ length: Math.ceil(total / chunkBytes) }, (_, i) => ({
    offset: i * chunkBytes,
    length: Math.min(chunkBytes, total - i * chunkBytes),
  }));
}

export class Assembler {
  readonly #target: Uint8Array;
  readonly #checksum: (bytes: Uint8Array) => number;
  #next = 0;

  /**
   * @param target exactly as long as the payload; shared memory is fine
   * @param checksum of a part of the target
   */
  constructor(target: Uint8Array, checksum: (bytes: Uint8Array) => number = checksumOf) {
    this.#target = target;
    this.#checksum = checksum;
  }

  get isDone(): boolean {
    return this.#next === this.#target.length;
  }

  get received(): number {
    return this.#next;
  }

  /**
   * Writes the chunk behind the ones before it. Returns whether the payload is now complete.
   * @throws ProtocolError, and what had come before it stays as it is
   */
  accept(header: ChunkHeader, payload: Uint8Array): boolean {
    const total = this.#target.length;
    if (header.total !== total) throw bad(`chunk of a payload of ${header.total} bytes; ${total} were announced`);
    if (header.offset !== this.#next) throw bad(`chunk at ${header.offset}; the next byte is ${this.#next}`);
    if (payload.length === 0 || payload.length > total - this.#next) {
      throw bad(`chunk of ${payload.length} bytes at ${header.offset}; ${total - this.#next} are missing`);
    }
    this.#target.set(payload, this.#next);
    const end = this.#next + payload.length;
    if (this.#checksum(this.#target.subarray(this.#next, end)) !== header.checksum)
      throw bad(`chunk at ${header.offset}: its checksum differs`);
    this.#next = end;
    return this.isDone;
  }
}

function bad(text: string): ProtocolError {
  return new ProtocolError(text, closeCodes.badFrame);
}

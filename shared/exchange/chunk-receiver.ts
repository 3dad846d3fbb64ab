/** What every plane checks of the chunks of one payload; the planes differ in where the bytes come from. */
import { ProtocolError } from '../errors.js';
import { closeCodes } from '../protocol/messages.js';
import type { ChunkChecksum, ChunkHeader, PlaneReceiver } from './plane.js';

/** Where the bytes of a chunk are. */
export interface ChunkSource {
  /**
   * Length of the chunk in bytes.
   * @throws ProtocolError for a chunk that cannot be where its header says
   */
  lengthOf(header: ChunkHeader, payload: Uint8Array): number;
  /** Copies the chunk's bytes. @param target as long as the chunk @throws ProtocolError when they are not all there */
  copy(header: ChunkHeader, payload: Uint8Array, target: Uint8Array): void;
}

/** Receives one payload. */
export class ChunkReceiver implements PlaneReceiver {
  readonly #source: ChunkSource;
  readonly #target: Uint8Array;
  readonly #checksum: ChunkChecksum;
  #received = 0;

  constructor(source: ChunkSource, target: Uint8Array, checksum: ChunkChecksum) {
    this.#source = source;
    this.#target = target;
    this.#checksum = checksum;
  }

  get received(): number {
    return this.#received;
  }

  get isDone(): boolean {
    return this.#received === this.#target.length;
  }

  /** A wrong place or length is refused before a byte is written; a wrong checksum is found where the bytes lie. */
  accept(header: ChunkHeader, payload: Uint8Array): boolean {
    const total = this.#target.length;
    const missing = total - this.#received;
    const bytes = this.#source.lengthOf(header, payload);
    if (header.total !== total) throw badChunk(`chunk of a payload of ${header.total} bytes; ${total} were announced`);
    if (header.offset !== this.#received) {
      throw badChunk(`chunk at ${header.offset}; the next byte is ${this.#received}`);
    }
    if (bytes === 0 || bytes > missing) {
      throw badChunk(`chunk of ${bytes} bytes at ${header.offset}; ${missing} are missing`);
    }
    const end = this.#received + bytes;
    const target = this.#target.subarray(this.#received, end);
    this.#source.copy(header, payload, target);
    if (this.#checksum(target) !== header.checksum) {
      throw badChunk(`chunk at ${header.offset}: its checksum differs`);
    }
    this.#received = end;
    return this.isDone;
  }
}

/** The error of a chunk that breaks a rule, which closes its connection. */
export function badChunk(text: string): ProtocolError {
  return new ProtocolError(text, closeCodes.badFrame);
}

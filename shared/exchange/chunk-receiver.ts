/** What every plane checks of the chunks of one payload; the planes differ in where the bytes come from. */
import { ProtocolError } from '../errors.js';
import { closeCodes } from '../protocol/messages.js';
import { checksumOf, digestOf } from '../replica/piece-hash.js';
import { split } from '../replica/pieces.js';
import type { ChunkHeader, PieceHash, PlaneReceiver } from './plane.js';

/** Where the bytes of a chunk are. */
export interface ChunkSource {
  /**
   * Length of the chunk in bytes.
   * @throws ProtocolError for a chunk that cannot be where its header says
   */
  lengthOf(header: ChunkHeader, payload: Uint8Array): number;
  /**
   * Copies a part of the chunk, from `offset` in the chunk on, as much as the target takes.
   * @throws ProtocolError when the bytes are not all there
   */
  copy(header: ChunkHeader, payload: Uint8Array, { offset, target }: { offset: number; target: Uint8Array }): void;
}

/** Receives one payload. Each piece is hashed as soon as it is copied, while it is in the processor's cache. */
export class ChunkReceiver implements PlaneReceiver {
  readonly #source: ChunkSource;
  readonly #target: Uint8Array;
  readonly #hash: PieceHash;
  readonly #hashes: string[] = [];
  #received = 0;

  constructor(source: ChunkSource, target: Uint8Array, hash: PieceHash) {
    this.#source = source;
    this.#target = target;
    this.#hash = hash;
  }

  get received(): number {
    return this.#received;
  }

  get isDone(): boolean {
    return this.#received === this.#target.length;
  }

  get digest(): string {
    return digestOf(this.#hashes);
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
    const hashes = split(bytes).map(({ offset, length }) => {
      const target = this.#target.subarray(this.#received + offset, this.#received + offset + length);
      this.#source.copy(header, payload, { offset, target });
      return this.#hash(target);
    });
    if (checksumOf(hashes) !== header.checksum) {
      throw badChunk(`chunk at ${header.offset}: its checksum differs`);
    }
    this.#hashes.push(...hashes);
    this.#received += bytes;
    return this.isDone;
  }
}

/** The error of a chunk that breaks a rule, which closes its connection. */
export function badChunk(text: string): ProtocolError {
  return new ProtocolError(text, closeCodes.badFrame);
}

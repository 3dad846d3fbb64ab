/**
 * The plane of two processes of one host: a chunk's bytes are written into a place of the connection's file
 * (memory-file.ts), its control message says which, and the other end copies them from there to where they belong and
 * hashes them there. Whatever else is done to the file changes nothing, since nothing but that copy is used. A place takes
 * several pieces of a payload, since a control message costs as much as copying a good part of one; there are two, so that
 * one is filled while the other is read, and one is filled again when the other end has said that it has read it. A
 * chunk for which there is none, or which the file does not take, travels inline.
 */
import type { Direction, MemoryFile } from './memory-file.js';
import { limits } from '../../protocol/messages.js';
import { badChunk, ChunkReceiver, type ChunkSource } from '../chunk-receiver.js';
import type { ChunkHeader, PieceHash, Plane, PlaneReceiver, SentChunk, Traffic } from '../plane.js';
import { inlineSource } from './socket.js';

/** One end of a connection that shares a file. */
export interface MemoryPlaneOptions {
  readonly file: MemoryFile;
  /** The direction in which this end sends. */
  readonly sends: Direction;
  /** Tells the other end that so many of its chunks were read. */
  readonly acknowledge: (chunks: number) => void;
  /** So many bytes were put into the file, or, below 0, were read there by the other end. */
  readonly onUnread?: (bytes: number) => void;
  /** The file takes no more bytes: from here on all travel inline. */
  readonly onFault: (reason: string) => void;
}

const nothing = new Uint8Array(0);

export class MemoryPlane implements Plane {
  readonly name = 'memory';
  readonly #options: MemoryPlaneOptions;
  readonly #source: ChunkSource;
  /** Lengths of the chunks that the other end has not read, the oldest first. */
  readonly #unread: number[] = [];
  /** Chunks put into the file so far: they go round its places. */
  #placed = 0;
  #isFaulty = false;
  #received = 0;
  #sent = 0;

  constructor(options: MemoryPlaneOptions) {
    this.#options = options;
    this.#source = this.#openSource();
  }

  get isFull(): boolean {
    return this.#isUsable && this.#unread.length === limits.filePlaces;
  }

  get bytes(): Traffic {
    return { received: this.#received, sent: this.#sent };
  }

  get chunkBytes(): number {
    return this.#isUsable && !this.isFull ? limits.placeBytes : limits.pieceBytes;
  }

  send<H extends ChunkHeader>(header: H, bytes: Uint8Array): SentChunk<H> | null {
    const place = this.#put(bytes);
    if (place === null) return bytes.length > limits.pieceBytes ? null : { header, payload: bytes };
    return { header: { ...header, placed: { place, bytes: bytes.length } }, payload: nothing };
  }

  receive(target: Uint8Array, hash: PieceHash): PlaneReceiver {
    return new ChunkReceiver(this.#source, target, hash);
  }

  handled({ placed }: ChunkHeader): void {
    if (placed !== undefined) this.#options.acknowledge(1);
  }

  taken(chunks: number): void {
    if (chunks > this.#unread.length)
      throw badChunk(`${chunks} chunks read of a file that held ${this.#unread.length}`);
    const bytes = this.#unread.splice(0, chunks).reduce((sum, one) => sum + one, 0);
    this.#options.onUnread?.(-bytes);
  }

  close(): void {
    this.#options.file.close();
  }

  get #isUsable(): boolean {
    return !this.#isFaulty && !this.#options.file.isClosed;
  }

  /** @returns the place that the bytes were put into; null for none */
  #put(bytes: Uint8Array): number | null {
    if (!this.#isUsable || this.#unread.length === limits.filePlaces || bytes.length === 0) return null;
    const { file, sends, onUnread, onFault } = this.#options;
    const place = this.#placed % limits.filePlaces;
    try {
      file.write(sends, place, bytes);
    } catch (error) {
      this.#isFaulty = true;
      onFault(error instanceof Error ? error.message : String(error));
      return null;
    }
    this.#placed++;
    this.#unread.push(bytes.length);
    this.#sent += bytes.length;
    onUnread?.(bytes.length);
    return place;
  }

  #openSource(): ChunkSource {
    const { file, sends } = this.#options;
    const from = sends === 'up' ? 'down' : 'up';
    return {
      lengthOf: (header, payload) => {
        if (header.placed === undefined) return inlineSource.lengthOf(header, payload);
        if (payload.length > 0) throw badChunk(`chunk at ${header.offset} both in a file and inline`);
        return header.placed.bytes;
      },
      copy: (header, payload, { offset, target }) => {
        if (header.placed === undefined) return inlineSource.copy(header, payload, { offset, target });
        if (!readFrom(file, from, { place: header.placed.place, offset, target }))
          throw badChunk(`chunk at ${header.offset}: its file cannot be read that far`);
        this.#received += target.length;
      },
    };
  }
}

/** @returns false also where the system refuses, as it may for a file that is not in memory after all */
function readFrom(
  file: MemoryFile,
  direction: Direction,
  { place, offset, target }: { readonly place: number; readonly offset: number; readonly target: Uint8Array },
): boolean {
  try {
    return file.read(direction, place, { offset, target });
  } catch {
    return false;
  }
}

/**
 * The plane that carries bulk bytes inline, in the control messages themselves. It needs no more than the WebSocket, so
 * it works between any two machines.
 */
import { ProtocolError } from '../../errors.js';
import { closeCodes } from '../../protocol/messages.js';
import type { ChunkChecksum, ChunkHeader, Plane, PlaneReceiver } from '../plane.js';

export const socketPlane: Plane = {
  name: 'socket',
  send: (_header, bytes) => bytes,
  receive: (target, checksum) => new SocketReceiver(target, checksum),
};

class SocketReceiver implements PlaneReceiver {
  readonly #target: Uint8Array;
  readonly #checksum: ChunkChecksum;
  #received = 0;

  constructor(target: Uint8Array, checksum: ChunkChecksum) {
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
    if (header.total !== total) throw bad(`chunk of a payload of ${header.total} bytes; ${total} were announced`);
    if (header.offset !== this.#received) {
      throw bad(`chunk at ${header.offset}; the next byte is ${this.#received}`);
    }
    if (payload.length === 0 || payload.length > missing) {
      throw bad(`chunk of ${payload.length} bytes at ${header.offset}; ${missing} are missing`);
    }
    this.#target.set(payload, this.#received);
    const end = this.#received + payload.length;
    if (this.#checksum(this.#target.subarray(this.#received, end)) !== header.checksum) {
      throw bad(`chunk at ${header.offset}: its checksum differs`);
    }
    this.#received = end;
    return this.isDone;
  }
}

function bad(text: string): ProtocolError {
  return new ProtocolError(text, closeCodes.badFrame);
}

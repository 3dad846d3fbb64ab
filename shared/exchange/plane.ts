/**
 * The seam between the exchange and the way that bulk bytes take from one process to another: contributions from a
 * worker to the coordinator, commits from the coordinator to a worker. planes/ has a file for each plane and lists them
 * in list.ts; test/shared/exchange/every-plane.test.ts holds all of them to the same behaviour.
 *
 * A payload travels in the chunks of chunks.ts. Each chunk has one control message on the worker's WebSocket, `chunk` or
 * `commitChunk`, which says where the chunk lies in the payload and carries what the plane gives it to carry: the bytes
 * themselves, or nothing where they take another way. Control messages arrive in order, so "every byte exactly once" is:
 * each chunk begins where the one before it ended. A plane knows nothing of time: its caller waits until there is room
 * for the next chunk.
 */

/** The fields of a control message that say which chunk it is. */
export interface ChunkHeader {
  /** Where the chunk begins in its payload, in bytes. */
  readonly offset: number;
  /** Length of the whole payload in bytes. */
  readonly total: number;
  /** Checksum of the chunk's bytes (shared/replica/checksum.ts). */
  readonly checksum: number;
}

/** Takes the checksum of a part of the target that a payload is received into. */
export type ChunkChecksum = (bytes: Uint8Array) => number;

/** One payload on its way in. */
export interface PlaneReceiver {
  /** Bytes that have come so far, counted from the payload's beginning. */
  readonly received: number;
  /** Whether every byte has come. */
  readonly isDone: boolean;
  /**
   * Puts the chunk that a control message names behind the chunks before it. Nobody may read the target before the
   * payload is complete: a chunk whose checksum differs has been written, and counts as not come.
   *
   * @param payload what came inline with the message
   * @returns whether the payload is now complete
   * @throws ProtocolError when the chunk is not the next one, is too long, belongs to a payload of another length, or
   * has another checksum; what had come before it stays as it is
   */
  accept(header: ChunkHeader, payload: Uint8Array): boolean;
}

/** A way for bulk bytes from one process to another. */
export interface Plane {
  /** One word, for messages to the user. */
  readonly name: string;
  /**
   * Sends the bytes of one chunk on their way. They must stay as they are until the control message has been sent.
   *
   * @param header the chunk's fields in its control message
   * @param bytes the chunk's bytes
   * @returns what the control message carries inline: at most `limits.chunkBytes` bytes, none where the bytes take
   * another way
   */
  send(header: ChunkHeader, bytes: Uint8Array): Uint8Array;
  /**
   * Begins to receive a payload.
   *
   * @param target where its bytes are to lie: exactly as long as the payload; shared memory is fine
   */
  receive(target: Uint8Array, checksum: ChunkChecksum): PlaneReceiver;
}

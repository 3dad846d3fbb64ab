/**
 * The seam between the exchange and the way that bulk bytes take from one process to another: contributions from a
 * worker to the coordinator, commits from the coordinator to a worker. planes/ has a file for each plane and lists their
 * names in list.ts; test/shared/exchange/every-plane.test.ts holds all of them to the same behaviour. A connection has
 * one plane from its welcome on, which both of its ends know.
 *
 * A payload travels in chunks, each of some of its pieces (shared/replica/pieces.ts). Each chunk has one control message on the worker's WebSocket, `chunk` or
 * `commitChunk`, which says where the chunk lies in the payload and carries what the plane gives it to carry: the bytes
 * themselves, or the place where they were put. Control messages arrive in order, so "every byte exactly once" is: each
 * chunk begins where the one before it ended. A plane knows nothing of time: its caller waits until there is room for
 * the next chunk.
 */

/** Where the bytes of a chunk were put that do not travel in its control message. */
export interface PlacedBytes {
  /** Number of the place, from 0. */
  readonly place: number;
  /** Length of the chunk in bytes. */
  readonly bytes: number;
}

/** The fields of a control message that say which chunk it is. */
export interface ChunkHeader {
  /** Where the chunk begins in its payload, in bytes. */
  readonly offset: number;
  /** Length of the whole payload in bytes. */
  readonly total: number;
  /** Checksum of the chunk's bytes, by the hashes of its pieces (shared/replica/piece-hash.ts). */
  readonly checksum: number;
  /** Absent where the bytes come inline with the message. */
  readonly placed?: PlacedBytes | undefined;
}

/** What one control message says and carries. */
export interface SentChunk<H extends ChunkHeader> {
  readonly header: H;
  /** At most `limits.pieceBytes` bytes, none where they were put elsewhere. */
  readonly payload: Uint8Array;
}

/** Numbers of bytes, by direction as one end of a connection sees it. */
export interface Traffic {
  readonly received: number;
  readonly sent: number;
}

/** Takes the hash of a piece in the target that a payload is received into. */
export type PieceHash = (piece: Uint8Array) => string;

/** One payload on its way in. */
export interface PlaneReceiver {
  /** Bytes that have come so far, counted from the payload's beginning. */
  readonly received: number;
  /** Whether every byte has come. */
  readonly isDone: boolean;
  /** Digest of the bytes that have come so far (shared/replica/piece-hash.ts). */
  readonly digest: string;
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

/** One end of a way for bulk bytes between two processes. */
export interface Plane {
  /** One word, for messages to the user. */
  readonly name: string;
  /** Whether the next chunk should wait, since the other end has not read those before it. */
  readonly isFull: boolean;
  /** The most bytes that the next chunk may have: one piece or several. It changes with every chunk that is sent or read. */
  readonly chunkBytes: number;
  /** Bytes that went beside the WebSocket. */
  readonly bytes: Traffic;
  /**
   * Sends the bytes of one chunk on their way. They must stay as they are until the control message has been sent.
   *
   * @param header the control message
   * @param bytes the chunk's bytes, at most `chunkBytes`
   * @returns the control message as it is to be sent, and what it carries inline; null where it turns out that so many
   * cannot be sent at once, and `chunkBytes` has become less
   */
  send<H extends ChunkHeader>(header: H, bytes: Uint8Array): SentChunk<H> | null;
  /**
   * Begins to receive a payload.
   *
   * @param target where its bytes are to lie: exactly as long as the payload; shared memory is fine
   */
  receive(target: Uint8Array, hash: PieceHash): PlaneReceiver;
  /** Must be called for each chunk whose control message has come, once it is accepted or was found to be of no use. */
  handled(header: ChunkHeader): void;
  /**
   * The other end has read so many more of the chunks that were put elsewhere.
   *
   * @throws ProtocolError when there are not so many
   */
  taken(chunks: number): void;
  /** The connection has ended. Nothing is put elsewhere any more. */
  close(): void;
}

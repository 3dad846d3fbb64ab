/**
 * The contributions that this worker has computed and whose commit has not come yet. One keeps its slot while its bytes
 * may be asked for; small ones, and those in the way when the trainer needs slots, move to the heap. A region that the
 * socket still reads is never given back.
 */
import { faultPoint } from '../../shared/fault-points.js';
import { piecesIn, type ByteRange } from '../../shared/replica/pieces.js';
import type { ChunkHeader, Plane } from '../../shared/exchange/plane.js';
import { socketPlane } from '../../shared/exchange/planes/socket.js';
import { limits, type Up } from '../../shared/protocol/messages.js';
import { checksumOf, digestOf } from '../../shared/replica/piece-hash.js';
import type { Replica } from '../../shared/replica/replica.js';
import type { Connection } from './connection.js';

interface Kept {
  readonly lease: number;
  readonly step: number;
  slot: number | null;
  bytes: Uint8Array;
  /** Of the bytes, by piece. */
  readonly hashes: readonly string[];
  /** Frames that the socket has not finished with. */
  sending: number;
  isDropped: boolean;
}

export interface UploadsOptions {
  readonly replica: Replica;
  /** The slot is the trainer's again. */
  readonly giveBack: (slot: number) => void;
}

/** Queued on the socket at most, so that a heartbeat never waits for more than this. */
const queuedBytes = 2 * limits.pieceBytes;

export class Uploads {
  readonly #kept = new Map<number, Kept>();
  readonly #options: UploadsOptions;
  /** Sends that wait until the coordinator has read what it was sent before. */
  readonly #waiting = new Set<() => void>();
  /** The way that contributions take to the coordinator. */
  #plane: Plane = socketPlane;
  #isShort = false;

  constructor(options: UploadsOptions) {
    this.#options = options;
  }

  /** Sends by this plane from now on, on a new connection. */
  usePlane(plane: Plane): void {
    this.#plane = plane;
  }

  /** Takes over a slot with a contribution; gives its bytes, to be sent at once or on a pull, and their digest. */
  keep(lease: number, step: number, slot: number): { readonly bytes: Uint8Array; readonly digest: string } {
    const { replica } = this.#options;
    const kept: Kept = {
      lease,
      step,
      slot,
      bytes: replica.slotBytes(slot),
      hashes: replica.hashPieces(slot),
      sending: 0,
      isDropped: false,
    };
    this.#kept.set(lease, kept);
    if (kept.bytes.byteLength <= limits.pieceBytes || this.#isShort) this.#moveToHeap(kept);
    this.#isShort = false;
    return { bytes: kept.bytes, digest: digestOf(kept.hashes) };
  }

  has(lease: number): boolean {
    return this.#kept.has(lease);
  }

  /** The trainer waits for slots. */
  freeSlots(): void {
    this.#isShort = true;
    for (const kept of this.#kept.values()) if (kept.sending === 0) this.#moveToHeap(kept);
  }

  /**
   * Sends the bytes in chunks, as fast as the socket takes them. An unknown lease was cancelled meanwhile.
   * @param whenSent called with the step once the network has taken all of them
   */
  send(
    lease: number,
    connection: Connection,
    envelope: Pick<Up<'chunk'>, 'run' | 'generation'>,
    whenSent: (step: number) => void = () => undefined,
  ): void {
    const kept = this.#kept.get(lease);
    if (kept === undefined) return;
    const plane = this.#plane;
    const total = kept.bytes.byteLength;
    let sentBytes = 0;
    const next = (): void => {
      this.#waiting.delete(next);
      while (connection.bufferedBytes < queuedBytes && !kept.isDropped) {
        if (sentBytes === total) return;
        if (plane.isFull) return void this.#waiting.add(next);
        const range = { offset: sentBytes, length: Math.min(plane.chunkBytes, total - sentBytes) };
        const header = { type: 'chunk', ...envelope, step: kept.step, lease, ...chunkOf(kept, range) } as const;
        // Taken anew each time: the bytes may have moved to the heap since the last chunk.
        const chunk = plane.send(header, kept.bytes.subarray(range.offset, range.offset + range.length));
        if (chunk === null) continue;
        sentBytes += range.length;
        kept.sending++;
        connection.send(chunk.header, chunk.payload, sent);
      }
      // Another upload may fill the connection while nothing of this one is on its way, which would take it up again.
      if (sentBytes < total && !kept.isDropped) this.#waiting.add(next);
    };
    const sent = (): void => {
      kept.sending--;
      faultPoint('first-chunk');
      if (sentBytes === total && kept.sending === 0) {
        faultPoint('all-chunks');
        whenSent(kept.step);
      }
      this.#settle(kept);
      this.resume();
    };
    next();
  }

  /** There may be room on the connection, or, since the coordinator has read chunks, on the plane. */
  resume(): void {
    for (const next of [...this.#waiting]) next();
  }

  drop(lease: number): void {
    const kept = this.#kept.get(lease);
    if (kept === undefined) return;
    this.#kept.delete(lease);
    kept.isDropped = true;
    this.#settle(kept);
  }

  /** Step `step` is journalled: contributions to it and to earlier ones are of no use. */
  dropThrough(step: number): void {
    for (const kept of [...this.#kept.values()]) if (kept.step <= step) this.drop(kept.lease);
  }

  /** The connection has closed: its leases are gone, and the socket reads nothing any more. */
  dropAll(): void {
    this.#waiting.clear();
    for (const kept of [...this.#kept.values()]) {
      kept.sending = 0;
      this.drop(kept.lease);
    }
  }

  #settle(kept: Kept): void {
    if (kept.sending > 0) return;
    if (kept.isDropped) this.#giveBack(kept);
    else if (this.#isShort) this.#moveToHeap(kept);
  }

  #moveToHeap(kept: Kept): void {
    if (kept.slot === null) return;
    kept.bytes = kept.bytes.slice();
    this.#giveBack(kept);
  }

  #giveBack(kept: Kept): void {
    const { slot } = kept;
    kept.slot = null;
    if (slot !== null) this.#options.giveBack(slot);
  }
}

/** What the control message of a chunk says of it. */
function chunkOf({ bytes, hashes }: Pick<Kept, 'bytes' | 'hashes'>, range: ByteRange): ChunkHeader {
  return { offset: range.offset, total: bytes.byteLength, checksum: checksumOf(piecesIn(hashes, range)) };
}

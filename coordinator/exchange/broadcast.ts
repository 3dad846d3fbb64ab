/**
 * Commits on their way to the replicas. One is *held* as soon as its step is complete: its bytes go out while the log's
 * fsync runs. It is *released* once it is on the disk, and only then may a replica apply it.
 */
import { encodeFrame, type Frame } from '../../shared/protocol/codec.js';
import { checksumOf, pieceHashes } from '../../shared/replica/piece-hash.js';
import { piecesIn, type ByteRange } from '../../shared/replica/pieces.js';
import type { Plane } from '../../shared/exchange/plane.js';
import { limits } from '../../shared/protocol/messages.js';
import type { KeptCommits } from '../store/kept-commits.js';
import type { CommitRecord } from '../store/commit-record.js';
import type { RetiredBuffer } from './buffers.js';
import type { Receipts } from './receipts.js';

/** `run` and `generation` of every frame. */
export interface RunEnvelope {
  readonly run: string;
  readonly generation: number;
}

/** A commit as it goes out, before the state after it is known. */
export type CommitHead = Omit<CommitRecord, 'stateHash' | 'line' | 'hashes' | 'checksums'>;

/** The newest commit, with its bytes in memory. */
export interface LiveCommit {
  readonly head: CommitHead;
  readonly bytes: Uint8Array;
  /** Hash of each of the payload's pieces (shared/replica/piece-hash.ts). */
  readonly hashes: readonly string[];
  /** Null when `bytes` is memory of its own, which nobody will reuse. */
  readonly retired: RetiredBuffer | null;
}

/** A frame and what to call once its memory is no longer needed. */
export interface Outgoing {
  readonly frame: Frame;
  readonly done: () => void;
}

/** What older commits are read from. */
export interface CommitSource extends Pick<KeptCommits, 'has' | 'stateHashAfter' | 'readBytes' | 'forget'> {
  /** The commit's header. @throws Error for one that is not there */
  read(step: number): Promise<CommitHead>;
}

/** The log that older commits are read from, and where the run stands. */
export interface BroadcastOptions {
  readonly log: CommitSource;
  readonly envelope: RunEnvelope;
  /** Commits that are journalled already. */
  readonly released: number;
  /** Hash of the state after them. */
  readonly stateHash: string;
  readonly receipts: Pick<Receipts, 'of'>;
}

/** One who reads the commits one after the other. */
export class Follower {
  /** Step of the commit that it reads next. */
  step: number;
  readonly #onEnd: () => void;

  constructor(step: number, onEnd: () => void) {
    this.step = step;
    this.#onEnd = onEnd;
  }

  end(): void {
    this.#onEnd();
  }
}

/** Encodes every commit for the workers: the newest one from memory, older ones from the log. */
export class Broadcast {
  readonly #log: BroadcastOptions['log'];
  readonly #envelope: RunEnvelope;
  readonly #receipts: Pick<Receipts, 'of'>;
  #live: LiveCommit | null = null;
  #liveHead: Frame | null = null;
  #released: number;
  #stateHash: string;
  #lastRelease: { readonly step: number; readonly frame: Frame } | null = null;
  #waiting: (() => void)[] = [];
  /** Everyone who reads the commits one after the other. */
  readonly #followers = new Set<Follower>();

  constructor({ log, envelope, released, stateHash, receipts }: BroadcastOptions) {
    this.#log = log;
    this.#receipts = receipts;
    this.#envelope = envelope;
    this.#released = released;
    this.#stateHash = stateHash;
  }

  /** Commits that replicas may have applied. */
  get released(): number {
    return this.#released;
  }

  /** Hash of the state after the released commits. */
  get stateHash(): string {
    return this.#stateHash;
  }

  /** Sends the commit's bytes out; replicas keep them and do not apply them yet. */
  hold(commit: LiveCommit): void {
    this.#live = commit;
    this.#liveHead = null;
    this.#notify();
  }

  /** The commit of `step` is journalled: replicas may apply it, and reach the state with this hash. */
  release(step: number, stateHash: string): void {
    [this.#released, this.#stateHash] = [step + 1, stateHash];
    this.#lastRelease = { step, frame: this.#encodeRelease(step, stateHash) };
    this.#log.forget(this.#leastNeeded());
    this.#notify();
  }

  /** Keeps the commits from `step` on from being forgotten, as far as the log's bound allows it, until `end`. */
  follow(step: number): Follower {
    const follower = new Follower(step, () => this.#followers.delete(follower));
    this.#followers.add(follower);
    return follower;
  }

  /** Resolves at the next hold or release. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Wakes all feeds, so that those of closed connections end. */
  wake(): void {
    this.#notify();
  }

  /** Whether the commit of `step` exists, in memory or in the log. */
  has(step: number): boolean {
    return this.#live?.head.step === step || this.#log.has(step);
  }

  /** The commit's header, with its bytes if they fit one chunk. */
  async head(step: number): Promise<{ frame: Frame; head: CommitHead }> {
    if (this.#live?.head.step === step) {
      this.#liveHead ??= this.#encodeHead(this.#live.head, this.#live.bytes);
      return { frame: this.#liveHead, head: this.#live.head };
    }
    const record = await this.#log.read(step);
    const isInline = record.bytes > 0 && record.bytes <= limits.pieceBytes;
    const bytes = isInline ? await this.#log.readBytes(step, { offset: 0, length: record.bytes }) : new Uint8Array(0);
    return { frame: this.#encodeHead(record, bytes), head: record };
  }

  /**
   * Sends a chunk of a commit whose bytes do not fit the header's message on its way to one worker, on its plane.
   * @returns null where the plane takes no more so many bytes at once
   */
  async chunk(head: CommitHead, range: ByteRange, plane: Plane): Promise<Outgoing | null> {
    const live = this.#live;
    if (live?.head.step !== head.step || live.retired?.isGone === true) {
      const bytes = await this.#log.readBytes(head.step, range);
      const frame = this.#encodeChunk(head, { offset: range.offset, bytes, hashes: pieceHashes(bytes) }, plane);
      return frame === null ? null : { frame, done: () => undefined };
    }
    const bytes = live.bytes.subarray(range.offset, range.offset + range.length);
    const hashes = piecesIn(live.hashes, range);
    const frame = this.#encodeChunk(head, { offset: range.offset, bytes, hashes }, plane);
    if (frame === null) return null;
    live.retired?.pin();
    return { frame, done: () => live.retired?.unpin() };
  }

  /** Null when the log no longer knows the step. */
  releaseOf(step: number): Frame | null {
    if (this.#lastRelease?.step === step) return this.#lastRelease.frame;
    const stateHash = this.#log.stateHashAfter(step);
    return stateHash === undefined ? null : this.#encodeRelease(step, stateHash);
  }

  /** A worker whose connection breaks now comes back for the newest commit, known by the state that it was at before. */
  #leastNeeded(): number {
    let least = this.#released - 2;
    for (const { step } of this.#followers) least = Math.min(least, step);
    return least;
  }

  #encodeRelease(step: number, stateHash: string): Frame {
    const receipt = this.#receipts.of({ step: step + 1, stateHash });
    return encodeFrame({ type: 'release', ...this.#envelope, step, stateHash, receipt });
  }

  #encodeChunk(
    { step, bytes: total }: CommitHead,
    { offset, bytes, hashes }: { readonly offset: number; readonly bytes: Uint8Array; readonly hashes: string[] },
    plane: Plane,
  ): Frame | null {
    const at = { offset, total, checksum: checksumOf(hashes) };
    const sent = plane.send({ type: 'commitChunk', ...this.#envelope, step, ...at } as const, bytes);
    return sent === null ? null : encodeFrame(sent.header, sent.payload);
  }

  #encodeHead({ step, scalars, compression, bytes, digest, momentCounts }: CommitHead, payload: Uint8Array): Frame {
    const inline = bytes > 0 && bytes <= limits.pieceBytes ? payload : undefined;
    return encodeFrame(
      { type: 'commit', ...this.#envelope, step, scalars, compression, bytes, digest, momentCounts },
      inline,
    );
  }

  #notify(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

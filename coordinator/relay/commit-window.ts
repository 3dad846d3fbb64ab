/**
 * The newest commits that a relay has received, for workers below that are behind: large ones in files of a scratch
 * folder, which nothing waits for and which are never synced, since whoever is above has them all; small ones in memory.
 * It is bounded in bytes, and forgets the oldest.
 */
import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { limits } from '../../shared/protocol/messages.js';
import type { ByteRange } from '../../shared/replica/pieces.js';
import type { CommitHead, CommitSource, LiveCommit } from '../exchange/broadcast.js';

interface Kept {
  readonly head: CommitHead;
  /** Null once they are in the file. */
  bytes: Uint8Array | null;
  readonly path: string;
  /** Resolves once the bytes are where they are to stay. */
  stored: Promise<void>;
  released: { readonly stateHash: string; readonly receipt: string } | null;
}

export class CommitWindow implements CommitSource {
  readonly #folder: string;
  readonly #limitBytes: number;
  readonly #onError: (error: unknown) => void;
  readonly #kept = new Map<number, Kept>();
  #bytes = 0;

  /**
   * @param folder made when it is needed, and removed by `close`
   * @param limitBytes of all commits together; the newest one is kept however long it is
   * @param onError called where a file cannot be written
   */
  constructor(folder: string, limitBytes: number, onError: (error: unknown) => void) {
    [this.#folder, this.#limitBytes, this.#onError] = [folder, limitBytes, onError];
  }

  /** Keeps a commit. Its bytes must stay as they are. */
  add({ head, bytes }: Pick<LiveCommit, 'head' | 'bytes'>): void {
    this.#drop(head.step);
    const path = join(this.#folder, `${head.step}.commit`);
    const kept: Kept = { head, bytes, path, stored: Promise.resolve(), released: null };
    this.#kept.set(head.step, kept);
    this.#bytes += bytes.length;
    for (const step of this.#kept.keys()) if (this.#bytes > this.#limitBytes && step < head.step) this.#drop(step);
    if (bytes.length > limits.pieceBytes) kept.stored = this.#store(kept, bytes);
  }

  /** The commit is released: this is the state after it, and what proves it. */
  release(step: number, stateHash: string, receipt: string): void {
    const kept = this.#kept.get(step);
    if (kept !== undefined) kept.released = { stateHash, receipt };
  }

  /** Changes nothing: workers that join later may need the commits all the same. */
  forget(): void {
    return;
  }

  has(step: number): boolean {
    return this.#kept.has(step);
  }

  stateHashAfter(step: number): string | undefined {
    return this.#kept.get(step)?.released?.stateHash;
  }

  /** What proves that the commit was released; empty where it is not known. */
  receiptAfter(step: number): string {
    return this.#kept.get(step)?.released?.receipt ?? '';
  }

  /** Bytes of the commits from this step on; null where one of them is not here. */
  bytesFrom(step: number, to: number): number | null {
    let sum = 0;
    for (let at = step; at < to; at++) {
      const kept = this.#kept.get(at);
      if (kept === undefined) return null;
      sum += kept.head.bytes;
    }
    return sum;
  }

  async read(step: number): Promise<CommitHead> {
    return this.#get(step).head;
  }

  async readBytes(step: number, { offset, length }: ByteRange): Promise<Uint8Array> {
    const kept = this.#get(step);
    if (kept.bytes !== null) return kept.bytes.subarray(offset, offset + length);
    const file = await open(kept.path, 'r');
    try {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await file.read(bytes, 0, length, offset);
      if (bytesRead !== length) throw new Error(`${kept.path}: ${bytesRead} bytes at ${offset}; ${length} were wanted`);
      return bytes;
    } finally {
      await file.close();
    }
  }

  /** Forgets all commits, and removes the folder. */
  async close(): Promise<void> {
    const stored = [...this.#kept.values()].map((kept) => kept.stored);
    this.#kept.clear();
    await Promise.all(stored);
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #store(kept: Kept, bytes: Uint8Array): Promise<void> {
    try {
      await mkdir(this.#folder, { recursive: true });
      await writeFile(kept.path, bytes);
      kept.bytes = null;
      // It was forgotten meanwhile.
      if (this.#kept.get(kept.head.step) !== kept) await rm(kept.path, { force: true });
    } catch (error) {
      this.#onError(error);
    }
  }

  #drop(step: number): void {
    const kept = this.#kept.get(step);
    if (kept === undefined) return;
    this.#kept.delete(step);
    this.#bytes -= kept.head.bytes;
    if (kept.bytes === null) rm(kept.path, { force: true }).catch(this.#onError);
  }

  #get(step: number): Kept {
    const kept = this.#kept.get(step);
    if (kept === undefined) throw new Error(`the commit of step ${step} is not kept any more`);
    return kept;
  }
}

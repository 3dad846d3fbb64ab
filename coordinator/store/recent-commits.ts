/**
 * The newest commits, in memory alone, for a run that keeps no gradients on the disk (`log.gradients: false`): as many as
 * some replica still has to read, within a bound. They are gone with this process, so that recovery goes back to the
 * newest snapshot.
 *
 * Memory: the bytes of one commit in the least, `mostBytes` at most. Time: one copy of a commit's bytes a step.
 */
import { performance } from 'node:perf_hooks';
import type { ByteRange } from '../../shared/replica/pieces.js';
import type { KeptCommits } from './kept-commits.js';
import type { CommitRecord } from './commit-record.js';

interface Recent {
  readonly record: CommitRecord;
  /** Memory that the payload lies at the beginning of. */
  readonly memory: Uint8Array;
}

export class RecentCommits implements KeptCommits {
  readonly isDurable = false;
  readonly #mostBytes: number;
  /** By step, in the order of the steps. */
  readonly #commits = new Map<number, Recent>();
  /** Memory of commits that were forgotten, for those to come. */
  #spare: Uint8Array[] = [];
  #sizeBytes = 0;
  #written = { bytes: 0, ms: 0 };

  /** @param mostBytes payloads beyond it are forgotten, whoever needs them, but for the newest */
  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  has(step: number): boolean {
    return this.#commits.has(step);
  }

  stateHashAfter(step: number): string | undefined {
    return this.#commits.get(step)?.record.stateHash;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get written(): { readonly bytes: number; readonly seconds: number } {
    return { bytes: this.#written.bytes, seconds: this.#written.ms / 1000 };
  }

  /** Nothing is kept in segments here. */
  rotate(): void {
    return;
  }

  append(record: CommitRecord, payload: Uint8Array | null): Promise<void> {
    const startMs = performance.now();
    const { bytes, step } = record;
    for (const [oldest] of [...this.#commits]) if (this.#sizeBytes + bytes > this.#mostBytes) this.#forget(oldest);
    const memory = this.#memoryFor(bytes);
    if (payload !== null) memory.set(payload);
    this.#commits.set(step, { record, memory });
    this.#sizeBytes += bytes;
    this.#written = { bytes: this.#written.bytes + bytes, ms: this.#written.ms + performance.now() - startMs };
    return Promise.resolve();
  }

  read(step: number): Promise<CommitRecord> {
    return Promise.resolve(this.#get(step).record);
  }

  /** The bytes are a copy: what they lie in may be used again while they are on their way. */
  readBytes(
    step: number,
    { offset, length }: ByteRange,
    target: Uint8Array = new Uint8Array(length),
  ): Promise<Uint8Array> {
    target.set(this.#get(step).memory.subarray(offset, offset + length));
    return Promise.resolve(target);
  }

  dropBefore(step: number): Promise<void> {
    this.forget(step);
    return Promise.resolve();
  }

  forget(step: number): void {
    for (const held of [...this.#commits.keys()]) if (held < step) this.#forget(held);
  }

  close(): Promise<void> {
    this.#commits.clear();
    [this.#spare, this.#sizeBytes] = [[], 0];
    return Promise.resolve();
  }

  #get(step: number): Recent {
    const found = this.#commits.get(step);
    if (found === undefined) throw new Error(`step ${step} is not kept any more`);
    return found;
  }

  #memoryFor(bytes: number): Uint8Array {
    const spare = this.#spare.pop();
    return spare !== undefined && spare.length >= bytes ? spare : new Uint8Array(bytes);
  }

  #forget(step: number): void {
    const { record, memory } = this.#get(step);
    this.#commits.delete(step);
    this.#sizeBytes -= record.bytes;
    // One is enough for a steady run: a commit is forgotten for each that comes.
    if (this.#spare.length === 0 && memory.length > 0) this.#spare.push(memory);
  }
}

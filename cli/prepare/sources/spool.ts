/**
 * Keeps what a source had to unpack or parse until its shards are written: the first megabytes in memory, more in a file
 * of the cache folder, whose name is taken away as soon as it is open, so that it goes with the process whatever happens.
 */
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { exitCodes, storageProblem, UserError } from '../../../shared/errors.js';
import { makeFolders } from '../../../shared/files.js';

/** Bytes that stay in memory. */
const heldBytes = 4 * 2 ** 20;

/** What every piece begins at a multiple of, so that numbers of any type can lie there. */
const alignment = 8;

/** Node reads and writes at most 2 GiB less a byte at once. */
const mostBytes = 2 ** 30;

export class Spool {
  #held = new Uint8Array(heldBytes);
  /** Bytes of `#held` that are used. */
  #used = 0;
  /** Bytes in the file, which those in memory follow. */
  #written = 0;
  #file: number | null = null;

  /** @param folder where the file goes; it is made when it is needed */
  constructor(private readonly folder: string) {}

  /** Begins a new piece. @returns where it begins */
  begin(): number {
    this.extend((alignment - (this.#used % alignment)) % alignment);
    return this.#written + this.#used;
  }

  /** Adds that many zeros. @returns where they lie, for the caller to write to until the spool grows again */
  extend(count: number): Uint8Array {
    const from = this.#used;
    this.#used += count;
    if (this.#used > this.#held.length) {
      const larger = new Uint8Array(Math.max(this.#used, 2 * this.#held.length));
      larger.set(this.#held.subarray(0, from));
      this.#held = larger;
    }
    return this.#held.subarray(from, this.#used);
  }

  /** Whether so much lies in memory that it is time to settle. */
  get isFull(): boolean {
    return this.#used >= heldBytes;
  }

  /**
   * Brings what lies in memory to the disk where it has become much. Wanted after each row or block of bytes.
   * @throws UserError 69 when the disk takes no more
   */
  async settle(): Promise<void> {
    if (!this.isFull) return;
    // A piece goes on where it is aligned.
    const whole = this.#used - (this.#used % alignment);
    try {
      this.#file ??= await openUnnamed(this.folder);
      for (let done = 0; done < whole;)
        done += writeSync(this.#file, this.#held, done, Math.min(mostBytes, whole - done), this.#written + done);
    } catch (error) {
      throw this.#explain(error);
    }
    const rest = this.#used - whole;
    this.#held.copyWithin(0, whole, this.#used);
    this.#held.fill(0, rest, this.#used);
    this.#written += whole;
    this.#used = rest;
  }

  /** Copies the bytes [at, at + target.length) of all that was added to `target`. */
  read(target: Uint8Array, at: number): void {
    const fromFile = Math.max(0, Math.min(target.length, this.#written - at));
    for (let done = 0; done < fromFile;) {
      if (this.#file === null) throw new Error('a spool was read after it was closed');
      const read = readSync(this.#file, target, done, Math.min(mostBytes, fromFile - done), at + done);
      if (read === 0) throw new Error(`a spool ends at ${at + done}`);
      done += read;
    }
    const from = at + fromFile - this.#written;
    target.set(this.#held.subarray(from, from + target.length - fromFile), fromFile);
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #explain(error: unknown): unknown {
    const problem = storageProblem(error);
    if (problem === null) return error;
    return new UserError(
      `${this.folder}: ${problem}; room for the data as it is read was wanted there, or another STILLHOUSE_CACHE`,
      exitCodes.unavailable,
      error,
    );
  }
}

async function openUnnamed(folder: string): Promise<number> {
  await makeFolders(folder);
  const path = join(folder, `.spool.${randomUUID()}`);
  const file = openSync(path, 'wx+', 0o600);
  rmSync(path);
  return file;
}

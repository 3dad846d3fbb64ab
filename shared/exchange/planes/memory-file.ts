/**
 * The files that two processes of one host exchange bulk bytes in. A worker makes one for a connection, in a folder of
 * its user's own in memory, and says its random name; the coordinator opens it by that name, takes the name away at
 * once, and reads the nonce in it. A name that leads to a file which only this user can have made proves to the
 * coordinator that both share the folder, and the nonce that comes back proves it to the worker: containers and network
 * namespaces may have one host name. From then on the file is known by its open ends alone, so that nothing is left of
 * it whoever is killed. What lies between making and opening is swept away by whoever makes or opens the next one.
 *
 *   nonce, 16 bytes, in a page | places for the worker's chunks | places for the coordinator's chunks
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../../errors.js';
import { limits } from '../../protocol/messages.js';

/** Where files in memory lie on Linux. */
export const usualMemoryFolder = '/dev/shm';
const headBytes = 4096;
const fileBytes = headBytes + 2 * limits.filePlaces * limits.placeBytes;
const nonceBytes = 16;
const nameForm = /^[0-9a-f]{32}$/;
/** A name that is as old as this belongs to nobody who is still about to open it. */
const staleMs = 60_000;

/** Who writes a chunk: a worker upwards, or the coordinator downwards. */
export type Direction = 'up' | 'down';

/** The folder cannot be used for this, or the file in it is not one; the message says why in words. */
export class NotShared extends Error {}

/** One end's hold on a file. It must be closed. */
export class MemoryFile {
  /** What both ends read in the file, 32 hex digits. */
  readonly nonce: string;
  readonly #file: number;
  #isClosed = false;

  private constructor(file: number, nonce: string) {
    [this.#file, this.nonce] = [file, nonce];
  }

  /**
   * Makes a file for one connection.
   *
   * @param base the folder in memory
   * @throws NotShared when it cannot be made
   */
  static make(base: string): { readonly file: MemoryFile; readonly name: string; readonly forget: () => void } {
    return trying(base, () => {
      const folder = ownFolder(base);
      sweep(folder);
      const name = randomBytes(16).toString('hex');
      const path = join(folder, name);
      const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
      const nonce = randomBytes(nonceBytes);
      const file = openSync(path, flags, 0o600);
      const made = new MemoryFile(file, nonce.toString('hex'));
      try {
        ftruncateSync(file, fileBytes);
        writeSync(file, nonce, 0, nonceBytes, 0);
      } catch (error) {
        made.close();
        remove(path);
        throw error;
      }
      return { file: made, name, forget: () => remove(path) };
    });
  }

  /**
   * Opens the file that a peer names, and takes its name away.
   *
   * @throws NotShared when there is no such file here, or it is not one of this user's making alone
   */
  static open(base: string, name: string): MemoryFile {
    if (!nameForm.test(name)) throw new NotShared('the name is none of such a file');
    return trying(base, () => {
      const folder = ownFolder(base);
      sweep(folder);
      const path = join(folder, name);
      const file = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      try {
        expectOwn(file);
        unlinkSync(path);
        const nonce = Buffer.alloc(nonceBytes);
        if (readSync(file, nonce, 0, nonceBytes, 0) < nonceBytes) throw new NotShared('the file has no nonce');
        return new MemoryFile(file, nonce.toString('hex'));
      } catch (error) {
        closeSync(file);
        throw error;
      }
    });
  }

  /** Whether neither end can be reached through it any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Puts bytes into a place. @throws Error of the system, as when the memory for files is full */
  write(direction: Direction, place: number, bytes: Uint8Array): void {
    const at = positionOf(direction, place);
    for (let done = 0; done < bytes.length;) done += writeSync(this.#file, bytes, done, bytes.length - done, at + done);
  }

  /** Fills `target` from a place, from the byte `offset` of it on. @returns whether the file was long enough */
  read(direction: Direction, place: number, { offset, target }: { offset: number; target: Uint8Array }): boolean {
    const at = positionOf(direction, place) + offset;
    for (let done = 0; done < target.length;) {
      const read = readSync(this.#file, target, done, target.length - done, at + done);
      if (read === 0) return false;
      done += read;
    }
    return true;
  }

  /** A second call does nothing. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#file);
  }
}

function positionOf(direction: Direction, place: number): number {
  return headBytes + ((direction === 'up' ? 0 : limits.filePlaces) + place) * limits.placeBytes;
}

/** The folder of this user alone below `base`, made where it is missing. @throws NotShared when others can reach it */
function ownFolder(base: string): string {
  const user = process.getuid?.();
  if (user === undefined) throw new NotShared('this system knows no owner of a file');
  if (!statSync(base).isDirectory()) throw new NotShared(`${base} is no folder`);
  const folder = join(base, `stillhouse-${user}`);
  try {
    mkdirSync(folder, 0o700);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  const found = lstatSync(folder);
  if (!found.isDirectory() || found.uid !== user || (found.mode & 0o077) !== 0)
    throw new NotShared(`${folder} is not a folder of this user alone`);
  return folder;
}

/** @throws NotShared for a file that another user owns or can open, or that is of another kind or length */
function expectOwn(file: number): void {
  const found = fstatSync(file);
  if (!found.isFile() || found.uid !== process.getuid?.() || (found.mode & 0o777) !== 0o600 || found.nlink !== 1)
    throw new NotShared('the file is not one of this user alone');
  if (found.size !== fileBytes) throw new NotShared(`the file has ${found.size} bytes; ${fileBytes} were wanted`);
}

/** Takes away what processes have left behind that were killed before their file was opened. */
function sweep(folder: string): void {
  for (const name of readdirSync(folder).filter((one) => nameForm.test(one))) {
    const path = join(folder, name);
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found !== undefined && Date.now() - found.mtimeMs > staleMs) remove(path);
  }
}

/** Whoever comes second finds it gone, which is as good. */
function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

function trying<T>(base: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof NotShared) throw error;
    throw new NotShared(`${base}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

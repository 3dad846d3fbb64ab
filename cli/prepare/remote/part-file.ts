/**
 * A file that is on its way: PART holds its bytes at their places, and PART.pieces the numbers of the pieces that are
 * whole. Its name tells which file it is of and who writes it, so that a process that follows a dead one goes on.
 */
import { randomBytes } from 'node:crypto';
import { open, readdir, readFile, rename, rm, stat, utimes, type FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { ifThere } from '../../../shared/files.js';
import { isAlive } from '../../../shared/process-alive.js';
import { sha256Of } from '../../../shared/sha256.js';

/** A part that nobody has written to for so long has no writer, wherever that was. */
const abandonedMs = 15 * 60 * 1000;

/** How often a part is touched, so that machines that share its folder see its writer at work. */
const touchedMs = 60 * 1000;

const host = sha256Of(hostname()).slice(0, 8);

interface PartIdentity {
  /** 32 hex digits, of the file and what its server tells of it. */
  readonly identity: string;
  /** Whether that would be another if the file were; else nothing is gone on with. */
  readonly isTold: boolean;
}

export class PartFile {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #pieces: FileHandle;
  readonly #done: Set<number>;
  readonly #touching: NodeJS.Timeout;
  #isEmpty: boolean;

  private constructor(
    path: string,
    { file, pieces, done, isEmpty }: { file: FileHandle; pieces: FileHandle; done: Set<number>; isEmpty: boolean },
  ) {
    this.path = path;
    this.#file = file;
    this.#pieces = pieces;
    this.#done = done;
    this.#isEmpty = isEmpty;
    this.#touching = setInterval(() => void touch(path), touchedMs).unref();
  }

  /** Bytes of a part that `open` would go on with, which counts as used now. */
  static async bytesLeft(folder: string, { identity, isTold }: PartIdentity): Promise<number> {
    const left = isTold ? await leftIn(folder, identity) : null;
    if (left === null) return 0;
    // The time of another machine's part is what tells that it is left.
    if (left.includes(`.${host}.`)) await touch(left);
    return (await ifThere(stat(left)))?.size ?? 0;
  }

  static async open(folder: string, { identity, isTold }: PartIdentity): Promise<PartFile> {
    const path = join(folder, `${identity}.${host}.${process.pid}.${randomBytes(4).toString('hex')}.part`);
    const left = isTold ? await leftIn(folder, identity) : null;
    const isTaken = left !== null && (await take(left, path));
    const done = new Set(isTaken ? await piecesIn(`${path}.pieces`) : []);
    const file = await open(path, isTaken ? 'r+' : 'wx+', 0o600);
    return new PartFile(path, { file, pieces: await open(`${path}.pieces`, 'a', 0o600), done, isEmpty: !isTaken });
  }

  has(piece: number): boolean {
    return this.#done.has(piece);
  }

  async write(bytes: Uint8Array, at: number): Promise<void> {
    this.#isEmpty = false;
    for (let from = 0; from < bytes.length;) {
      const { bytesWritten } = await this.#file.write(bytes, from, bytes.length - from, at + from);
      from += bytesWritten;
    }
  }

  /** Takes note that a piece is whole, once it is on the disk. */
  async finish(piece: number): Promise<void> {
    await this.#file.datasync();
    await this.#pieces.appendFile(`${piece}\n`);
    this.#done.add(piece);
  }

  /** Forgets all that has come. */
  async empty(): Promise<void> {
    if (this.#isEmpty) return;
    this.#done.clear();
    await this.#pieces.truncate();
    await this.#file.truncate();
    this.#isEmpty = true;
  }

  /** Ends the touching of a file that is closed. */
  leave(): void {
    clearInterval(this.#touching);
  }

  async sync(): Promise<void> {
    await this.#file.sync();
  }

  /** Closes the file, which stays for whoever goes on. */
  async close(): Promise<void> {
    await this.#file.close();
    await this.#pieces.close();
  }

  /** Gives the whole file its name. */
  async become(path: string): Promise<void> {
    await rename(this.path, path);
    await rm(`${this.path}.pieces`, { force: true });
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true });
    await rm(`${this.path}.pieces`, { force: true });
  }
}

/** A part of that file that nobody writes to; null for none. */
async function leftIn(folder: string, identity: string): Promise<string | null> {
  const names = (await readdir(folder)).filter((name) => name.startsWith(`${identity}.`) && name.endsWith('.part'));
  for (const name of names) if (await isLeft(join(folder, name), name)) return join(folder, name);
  return null;
}

async function isLeft(path: string, name: string): Promise<boolean> {
  const [, itsHost, pid] = name.split('.');
  if (itsHost === host) return !isAlive(Number(pid));
  const found = await ifThere(stat(path));
  return found !== null && Date.now() - found.mtimeMs > abandonedMs;
}

/** Says that a part is at work. One that is gone, or another user's, keeps its time. */
async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined);
}

/** Renames both files of a part. @returns false where another process was first */
async function take(from: string, to: string): Promise<boolean> {
  if ((await ifThere(rename(from, to).then(() => true))) === null) return false;
  await ifThere(rename(`${from}.pieces`, `${to}.pieces`));
  return true;
}

async function piecesIn(path: string): Promise<number[]> {
  const text = (await ifThere(readFile(path, 'utf8'))) ?? '';
  // What stands behind the last line break may be torn.
  return text.split('\n').slice(0, -1).map(Number).filter(Number.isInteger);
}

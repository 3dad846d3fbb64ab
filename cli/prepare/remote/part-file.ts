/**
 * A file that is on its way: PART holds its bytes at their places, and PART.pieces the numbers of the pieces that are
 * whole. Its name tells which file it is of and who writes it, so that a process that follows a dead one goes on.
 */
import { randomBytes } from 'node:crypto';
import { open, readdir, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { codeOf } from '../../../shared/errors.js';
import { ifThere } from '../../../shared/files.js';
import { sha256Of } from '../../../shared/sha256.js';

/** A part that nobody has written to for so long has no writer, wherever that was. */
const abandonedMs = 15 * 60 * 1000;

const host = sha256Of(hostname()).slice(0, 8);

export class PartFile {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #pieces: FileHandle;
  readonly #done: Set<number>;

  private constructor(
    path: string,
    { file, pieces, done }: { file: FileHandle; pieces: FileHandle; done: Set<number> },
  ) {
    this.path = path;
    this.#file = file;
    this.#pieces = pieces;
    this.#done = done;
  }

  /**
   * @param identity 32 hex digits, of the file and what its server tells of it
   * @param isTold whether that would be another if the file were; else nothing is gone on with
   */
  static async open(
    folder: string,
    { identity, isTold }: { readonly identity: string; readonly isTold: boolean },
  ): Promise<PartFile> {
    const path = join(folder, `${identity}.${host}.${process.pid}.${randomBytes(4).toString('hex')}.part`);
    const left = isTold ? await leftIn(folder, identity) : null;
    const isTaken = left !== null && (await take(left, path));
    const done = new Set(isTaken ? await piecesIn(`${path}.pieces`) : []);
    const file = await open(path, isTaken ? 'r+' : 'wx+', 0o600);
    return new PartFile(path, { file, pieces: await open(`${path}.pieces`, 'a', 0o600), done });
  }

  has(piece: number): boolean {
    return this.#done.has(piece);
  }

  async write(bytes: Uint8Array, at: number): Promise<void> {
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
  if (itsHost === host && !isAlive(Number(pid))) return true;
  const found = await ifThere(stat(path));
  return found !== null && Date.now() - found.mtimeMs > abandonedMs;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
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

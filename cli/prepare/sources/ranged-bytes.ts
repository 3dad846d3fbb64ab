/** A file of the user as bytes that are read by range: as it lies there, or unpacked into the spool where it is gzip. */
import { statSync } from 'node:fs';
import { codeOf } from '../../../shared/errors.js';
import { readInto } from '../../../shared/read-into.js';
import { damaged, fileError } from './file-errors.js';
import { isGzip, unpacked } from './gzip-file.js';
import type { Spool } from './spool.js';

export interface RangedBytes {
  readonly sizeBytes: number;
  /**
   * Copies the bytes [at, at + target.length) to `target`. It blocks.
   * @throws UserError 2 or 65 for a file that is gone, or has become shorter
   */
  read(target: Uint8Array, at: number): void;
}

/** @throws UserError 2 for no such file, 65 for one that cannot be read, 69 when the disk takes no more */
export async function openRanged(path: string, spool: Spool): Promise<RangedBytes> {
  return isGzip(path) ? spooled(unpacked(path), spool) : fileBytes(path);
}

/** Bytes of a file as it lies there. @throws UserError 2 for no such file, 65 for one that cannot be read */
export function fileBytes(path: string): RangedBytes {
  const found = attempt(path, () => statSync(path));
  if (found.isDirectory()) throw damaged(path, 'it is a folder; a file that can be read was wanted');
  return {
    sizeBytes: found.size,
    read: (target, at) =>
      attempt(path, () => {
        readInto(path, target, at);
      }),
  };
}

/** Puts bytes into the spool. @throws what the pieces do, and UserError 69 when the disk takes no more */
export async function spooled(pieces: AsyncIterable<Uint8Array>, spool: Spool): Promise<RangedBytes> {
  const start = spool.begin();
  let sizeBytes = 0;
  for await (const piece of pieces) {
    spool.extend(piece.length).set(piece);
    sizeBytes += piece.length;
    await spool.settle();
  }
  return { sizeBytes, read: (target, at) => spool.read(target, start + at) };
}

/** The bytes [from, to), in memory of their own. @throws what `read` does */
export function arrayBufferIn(bytes: RangedBytes, from: number, to: number): ArrayBuffer {
  const own = new ArrayBuffer(Math.max(0, to - from));
  bytes.read(new Uint8Array(own), from);
  return own;
}

/** The same as a buffer. @throws what `read` does */
export function bytesIn(bytes: RangedBytes, from: number, to: number): Buffer {
  return Buffer.from(arrayBufferIn(bytes, from, to));
}

function attempt<T>(path: string, access: () => T): T {
  try {
    return access();
  } catch (error) {
    if (codeOf(error) !== '') throw fileError(path, error);
    throw damaged(path, 'it has become shorter since it was opened; one that stays as it is was wanted', error);
  }
}

/**
 * Files of the run folder, written so that a crash at any moment leaves either the old file or the new one, and storage
 * that fails (full, read-only, gone) told as one line for the user instead of a stack.
 */
import { constants } from 'node:fs';
import { link, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { z } from 'zod';
import { codeOf, exitCodes, storageProblem, UserError } from '../../shared/errors.js';
import { slowDisk } from '../../shared/fault-points.js';

/** Runs `work`; @throws UserError (69: retry once there is room) in place of a failing disk's error. */
export async function storing<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const problem = storageProblem(error);
    if (problem === null) throw error;
    throw new UserError(
      `${what}: ${problem}; the run is safe up to its last journalled step, run again to continue`,
      exitCodes.unavailable,
      error,
    );
  }
}

/** What a small file of the run folder says. @throws UserError (65) when it is not what was written there */
export function parseStored<T>(path: string, schema: z.ZodType<T>, parse: () => unknown): T {
  try {
    const parsed = schema.safeParse(parse());
    if (parsed.success) return parsed.data;
  } catch (error) {
    throw damaged(path, error);
  }
  throw damaged(path);
}

function damaged(path: string, cause?: unknown): UserError {
  return new UserError(
    `${path} is damaged: it is not what was written there; put it back from a copy, or choose another --out`,
    exitCodes.data,
    cause,
  );
}

/** Replaces `path` as a whole. The pieces are written in order, and are on the disk when this returns. */
export async function writeDurably(
  path: string,
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  await writeAside(`${path}.new`, pieces);
  await putInPlace(`${path}.new`, path);
}

/** Gives a file that is on the disk its name, in place of what had it. */
export async function putInPlace(aside: string, path: string): Promise<void> {
  await rename(aside, path);
  await syncFolder(dirname(path));
}

/**
 * Creates `path` with this content, or returns false if it exists. Of two processes one wins, also over a network file
 * system.
 *
 * @param mode who may read and write it, less what the process's mask takes
 */
export async function createDurably(path: string, content: string, mode = 0o666): Promise<boolean> {
  const temporary = `${path}.${process.pid}.new`;
  await writeAside(temporary, [Buffer.from(content)], mode);
  try {
    await link(temporary, path);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await unlink(temporary);
  }
  await syncFolder(dirname(path));
  return true;
}

/** Writes a file that has not got its name yet; it is on the disk when this returns. */
export async function writeAside(
  path: string,
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  mode = 0o666,
): Promise<void> {
  const file = await open(path, 'w', mode);
  try {
    for await (const piece of pieces) await file.writeFile(piece);
    await file.sync();
    await slowDisk();
  } finally {
    await file.close();
  }
}

/** Makes creations, renames and deletions in the folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

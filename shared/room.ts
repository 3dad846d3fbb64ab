/**
 * Keeps downloads from filling this machine's disk: a folder of the cache holds so many bytes at most. What was not
 * used for longest goes first; what was used within a day stays, since other processes of this machine may be at work
 * with it, but for what its user says it can have anew.
 */
import { readdir, rm, stat, statfs, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, exitCodes, UserError } from './errors.js';
import { ifThere } from './files.js';

/** What a folder holds, and how much of it. */
export interface Bound {
  /** What messages call the files, such as `artifacts`. */
  readonly what: string;
  /** The environment variable that sets another number of bytes. */
  readonly setting: string;
}

export interface RoomOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly nowMs?: number;
  /** Names of files that may go however lately they were used, since whoever misses one gets it anew: the first ones first. */
  readonly expendable?: readonly string[];
}

/** The most bytes that all files may have together, unless the setting says otherwise. */
const usualBytes = 256 * 2 ** 30;

const dayMs = 24 * 60 * 60 * 1000;

/** @throws UserError 2 for a setting that is no number of bytes */
function mostBytes({ setting }: Bound, env: NodeJS.ProcessEnv): number {
  const text = env[setting] ?? '';
  if (text === '') return usualBytes;
  const bytes = Number(text);
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new UserError(`${setting} is ${text}; a number of bytes above 0 was wanted`);
}

/**
 * Makes room for so many bytes more in the folder, which is there.
 * @throws UserError 69 where there is none, in the folder or on its disk; 2 for a wrong setting
 */
export async function makeRoomFor(
  bound: Bound,
  folder: string,
  bytes: number,
  { env = process.env, nowMs = Date.now(), expendable = [] }: RoomOptions = {},
): Promise<void> {
  const most = mostBytes(bound, env);
  const files = await filesIn(folder);
  let held = files.reduce((sum, file) => sum + file.bytes, 0);
  const byName = new Map(files.map((file) => [file.name, file]));
  const old = files.filter(({ usedMs }) => nowMs - usedMs >= dayMs).sort((a, b) => a.usedMs - b.usedMs);
  const going = new Set([...old, ...expendable.flatMap((name) => byName.get(name) ?? [])]);
  for (const file of going) {
    if (held + bytes <= most) break;
    await rm(join(folder, file.name), { force: true });
    held -= file.bytes;
  }
  if (held + bytes > most)
    throw new UserError(
      `${bound.what}: ${bytes} bytes more were announced, and ${folder} holds ${held} of the ${most} that it may; ${bound.setting} sets another bound`,
      exitCodes.unavailable,
    );
  const { bavail, bsize } = await statfs(folder);
  if (bytes > bavail * bsize)
    throw new UserError(
      `${bound.what}: ${bytes} bytes were announced, and the disk of ${folder} has room for ${bavail * bsize}`,
      exitCodes.unavailable,
    );
}

/** A file that was marked so lately is not marked again, so that a mark costs no more than a look. */
const markedMs = 5 * 60 * 1000;

/**
 * Says that a file is in use, by its time of change, which room is made by. Where it belongs to another user, its own time stays.
 * @returns false where it is not there any more
 */
export async function markUsed(path: string): Promise<boolean> {
  const found = await ifThere(stat(path));
  if (found === null) return false;
  const now = new Date();
  if (now.getTime() - found.mtimeMs < markedMs) return true;
  await utimes(path, now, now).catch((error: unknown) => {
    if (codeOf(error) === '') throw error;
  });
  return true;
}

interface HeldFile {
  readonly name: string;
  readonly bytes: number;
  readonly usedMs: number;
}

async function filesIn(folder: string): Promise<HeldFile[]> {
  const names = (await ifThere(readdir(folder))) ?? [];
  const found = await Promise.all(
    names.map(async (name): Promise<HeldFile[]> => {
      const file = await ifThere(stat(join(folder, name)));
      return file?.isFile() === true ? [{ name, bytes: file.size, usedMs: file.mtimeMs }] : [];
    }),
  );
  return found.flat();
}

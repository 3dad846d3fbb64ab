/**
 * How much a packed file may become. A few megabytes of gzip can unpack to gigabytes: a file of data that does so is
 * damaged or a trap far more often than it is data, so it is refused before it fills the memory.
 */
import { exitCodes, UserError } from '../../../shared/errors.js';
import { damaged } from './file-errors.js';

/** What any file may unpack to, in bytes. */
const anyBytes = 256 * 2 ** 20;

/** What a file may unpack to beyond that, as a multiple of its own length; tables of text are packed to a tenth or so. */
const growth = 50;

/**
 * The most bytes that something of so many packed bytes may unpack to: STILLHOUSE_UNPACKED_BYTES, else 256 MiB or 50
 * times its length, whichever is more.
 * @throws UserError 2 for a setting that is no number of bytes
 */
export function unpackedLimit(packedBytes: number, env: NodeJS.ProcessEnv = process.env): number {
  const text = env.STILLHOUSE_UNPACKED_BYTES ?? '';
  if (text === '') return Math.max(anyBytes, growth * packedBytes);
  const bytes = Number(text);
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new UserError(`STILLHOUSE_UNPACKED_BYTES is ${text}; a number of bytes above 0 was wanted`, exitCodes.usage);
}

/** An error with exit code 65 for what unpacks to more. */
export function unpacksToMore(path: string, limit: number): UserError {
  return damaged(
    path,
    `it unpacks to more than ${limit} bytes, far more than its length tells; unpacked data was wanted, or STILLHOUSE_UNPACKED_BYTES with another bound`,
  );
}

/** The longest line of a text, in characters. */
export const longestLine = 2 ** 27;

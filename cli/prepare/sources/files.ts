/** Reads a whole file of the user. */
import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { codeOf } from '../../../shared/errors.js';
import { damaged, fileError } from './file-errors.js';
import { unpackedLimit, unpacksToMore } from './unpacking.js';

/** The file's bytes, unpacked where it is gzip. @throws UserError 2 for no such file, 65 when it cannot be read */
export async function readDataFile(path: string): Promise<Buffer> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw fileError(path, error);
  });
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const limit = unpackedLimit(bytes.length);
  try {
    return gunzipSync(bytes, { maxOutputLength: limit });
  } catch (error) {
    if (codeOf(error) === 'ERR_BUFFER_TOO_LARGE') throw unpacksToMore(path, limit);
    throw damaged(path, 'damaged gzip file; a whole one was wanted', error);
  }
}

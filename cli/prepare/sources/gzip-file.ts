/** Files of the user that are packed by gzip, as streams. */
import { closeSync, createReadStream, openSync, readSync, statSync } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { UserError } from '../../../shared/errors.js';
import { damaged, fileError } from './file-errors.js';
import { unpackedLimit, unpacksToMore } from './unpacking.js';

/** Whether a file begins as gzip does. @throws UserError 2 for no such file, 65 for one that cannot be read */
export function isGzip(path: string): boolean {
  try {
    const file = openSync(path, 'r');
    try {
      const head = new Uint8Array(2);
      return readSync(file, head, 0, 2, 0) === 2 && head[0] === 0x1f && head[1] === 0x8b;
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw fileError(path, error);
  }
}

/** The bytes of a gzip file, unpacked. @throws UserError 65 for one that is damaged or becomes far more than it is */
export async function* unpacked(path: string): AsyncGenerator<Buffer> {
  const packed = createReadStream(path);
  const gunzip = createGunzip();
  packed.on('error', (error) => gunzip.destroy(error));
  const limit = unpackedLimit(statSync(path).size);
  let unpackedBytes = 0;
  try {
    for await (const bytes of packed.pipe(gunzip) as AsyncIterable<Buffer>) {
      unpackedBytes += bytes.length;
      if (unpackedBytes > limit) throw unpacksToMore(path, limit);
      yield bytes;
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw damaged(path, 'damaged gzip file; a whole one was wanted', error);
  } finally {
    packed.destroy();
  }
}

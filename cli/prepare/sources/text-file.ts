/** Text of the user's files as a stream: plain or gzip, UTF-8 or UTF-16, with or without a byte-order mark. */
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { TextDecoder } from 'node:util';
import { createGunzip } from 'node:zlib';
import { UserError } from '../../../shared/errors.js';
import { encodingOf } from '../../../shared/text-encoding.js';
import { damaged, fileError } from './file-errors.js';
import { longestLine, unpackedLimit, unpacksToMore } from './unpacking.js';

/**
 * Reads a text piece by piece.
 * @returns strings, without the byte-order mark that the file may begin with
 * @throws UserError 2 for no such file, 65 for one that cannot be read
 */
export async function* textOf(path: string): AsyncGenerator<string> {
  const head = await firstBytes(path);
  const isPacked = head[0] === 0x1f && head[1] === 0x8b;
  let decoder: TextDecoder | null = null;
  for await (const bytes of isPacked ? unpacked(path) : plain(path)) {
    decoder ??= new TextDecoder(encodingOf(bytes));
    yield decoder.decode(bytes, { stream: true });
  }
  if (decoder !== null) yield decoder.decode();
}

/** Its lines, without what ends them. @throws what `textOf` does */
export async function* linesOf(path: string): AsyncGenerator<string> {
  let begun: string[] = [];
  let length = 0;
  for await (const piece of textOf(path)) {
    const [first = '', ...others] = piece.split('\n');
    begun.push(first);
    length += first.length;
    if (length > longestLine)
      throw damaged(path, `a line of more than ${longestLine} characters; lines of a table were wanted`);
    const last = others.pop();
    if (last === undefined) continue;
    yield begun.join('');
    yield* others;
    begun = [last];
    length = last.length;
  }
  yield begun.join('');
}

async function* plain(path: string): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(path) as AsyncIterable<Buffer>;
  } catch (error) {
    throw fileError(path, error);
  }
}

async function firstBytes(path: string): Promise<Uint8Array> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(new Uint8Array(2), 0, 2, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError(path, error);
  }
}

async function* unpacked(path: string): AsyncGenerator<Buffer> {
  const packed = createReadStream(path);
  const gunzip = createGunzip();
  packed.on('error', (error) => gunzip.destroy(error));
  const limit = unpackedLimit((await stat(path)).size);
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

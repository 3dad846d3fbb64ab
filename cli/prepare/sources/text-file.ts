/** Text of the user's files as a stream: plain or gzip, UTF-8 or UTF-16, with or without a byte-order mark. */
import { createReadStream } from 'node:fs';
import { TextDecoder } from 'node:util';
import { encodingOf } from '../../../shared/text-encoding.js';
import { damaged, fileError } from './file-errors.js';
import { isGzip, unpacked } from './gzip-file.js';
import { longestLine } from './unpacking.js';

/**
 * Reads a text piece by piece.
 * @returns strings, without the byte-order mark that the file may begin with
 * @throws UserError 2 for no such file, 65 for one that cannot be read
 */
export async function* textOf(path: string): AsyncGenerator<string> {
  const isPacked = isGzip(path);
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

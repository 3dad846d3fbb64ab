/** SHA-256 digests, as 64 hexadecimal digits: the names of artifacts. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { atWork } from './long-work.js';

/** How much of a file is in memory at a time, in bytes. */
const chunkBytes = 1 << 20;

/** Of a larger file it is told how far it is. */
const toldBytes = 2 ** 26;

/** Node's hash takes less than 2 GiB at once. */
const mostBytes = 2 ** 30;

/** The digest of text as UTF-8, or of bytes of any length, in one piece or in several. */
export function sha256Of(content: Uint8Array | string | readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  if (typeof content === 'string') return hash.update(content).digest('hex');
  for (const bytes of content instanceof Uint8Array ? [content] : content)
    for (let at = 0; at < bytes.length; at += mostBytes) hash.update(bytes.subarray(at, at + mostBytes));
  return hash.digest('hex');
}

export interface FileDigest {
  readonly sha256: string;
  /** Size of the file. */
  readonly bytes: number;
}

/**
 * Reads a file once, a chunk at a time.
 * @param onBytes gets the number of bytes that were read so far
 * @throws the system's error when the file cannot be read
 */
export async function sha256OfFile(path: string, onBytes?: (doneBytes: number) => void): Promise<FileDigest> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: chunkBytes }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
    onBytes?.(bytes);
    if (bytes >= toldBytes) await atWork(`hashing ${path}: ${Math.round(bytes / 1e6)} MB`);
  }
  return { sha256: hash.digest('hex'), bytes };
}

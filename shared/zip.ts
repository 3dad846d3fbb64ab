/**
 * Reads zip archives, those over 4 GiB included, one entry at a time. The length and the checksum of every entry are
 * checked while it is read. Writes nothing, and has no words for the user: an error says which problem it is, and the
 * caller knows what the archive was wanted for. Format: PKWARE's APPNOTE.
 */
import { crc32 } from 'node:zlib';
import { openPromise, type Entry, type ZipFile } from 'yauzl';
import { codeOf } from './errors.js';

/**
 * - `end`: the archive has no end record, because it is cut short or no zip.
 * - `directory`: the list of its entries is damaged.
 * - `place`: an entry is not where the directory says.
 * - `method`: an entry is packed in another way than stored or deflated, or encrypted.
 * - `packing`: a deflated entry does not unpack.
 * - `checksum`: an entry's bytes are others than the directory says.
 */
export type ZipProblem = 'end' | 'directory' | 'place' | 'method' | 'packing' | 'checksum';

export class ZipError extends Error {
  override readonly name = 'ZipError';

  constructor(
    readonly problem: ZipProblem,
    cause?: unknown,
  ) {
    super(`zip: ${problem}`, cause === undefined ? undefined : { cause });
  }
}

export interface ZipEntry {
  /** As the archive has it: it may name any place, even one outside the folder that it is unpacked to. */
  readonly name: string;
  /** Length of what is unpacked. */
  readonly sizeBytes: number;
  /** Length as it lies in the archive, by its directory. */
  readonly packedBytes: number;
  /** How it is packed, by APPNOTE's number. */
  readonly method: number;
  /**
   * Unpacks the entry piece by piece. Its bytes are sound only when the last piece has been given.
   * @throws ZipError for an entry that cannot be read
   */
  read(): AsyncGenerator<Buffer>;
}

export interface ZipArchive {
  readonly entries: readonly ZipEntry[];
  close(): void;
}

/** @throws ZipError for a file that is no zip archive or has a damaged directory; the system's error for no file */
export async function openZip(path: string): Promise<ZipArchive> {
  const file = await openPromise(path, {
    autoClose: false,
    decodeStrings: false,
    validateEntrySizes: false,
  }).catch((error: unknown) => {
    throw named('end', error);
  });
  try {
    const entries: ZipEntry[] = [];
    for await (const entry of file.eachEntry()) entries.push(entryOf(file, entry));
    return { entries, close: () => file.close() };
  } catch (error) {
    file.close();
    throw named('directory', error);
  }
}

/** Errors of the system say more by themselves. */
function named(problem: ZipProblem, error: unknown): unknown {
  return codeOf(error) === '' ? new ZipError(problem, error) : error;
}

function entryOf(file: ZipFile, entry: Entry): ZipEntry {
  return {
    name: entry.fileNameRaw.toString('utf8'),
    sizeBytes: entry.uncompressedSize,
    packedBytes: entry.compressedSize,
    method: entry.compressionMethod,
    read: () => unpack(file, entry),
  };
}

async function* unpack(file: ZipFile, entry: Entry): AsyncGenerator<Buffer> {
  if (!entry.canDecodeFileData()) throw new ZipError('method');
  const stream: AsyncIterable<Buffer> = await file.openReadStreamPromise(entry).catch((error: unknown) => {
    throw named('place', error);
  });
  let [bytes, crc] = [0, 0];
  try {
    for await (const piece of stream) {
      bytes += piece.length;
      crc = crc32(piece, crc);
      // An entry that unpacks to more than it says must not be unpacked to its end.
      if (bytes > entry.uncompressedSize) break;
      yield piece;
    }
  } catch (error) {
    throw codeOf(error).startsWith('Z_') ? new ZipError('packing', error) : error;
  }
  if (bytes !== entry.uncompressedSize || crc !== entry.crc32) throw new ZipError('checksum');
}

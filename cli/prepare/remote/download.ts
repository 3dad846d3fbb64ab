/**
 * Brings a remote file to the disk: pieces of it at once, each begun again where it broke, into a part that a later
 * process goes on with; then its SHA-256 is taken of what lies on the disk, and it gets that for its name.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import PQueue from 'p-queue';
import { exitCodes, storageProblem, UserError } from '../../../shared/errors.js';
import { sha256Of } from '../../../shared/sha256.js';
import { OutOfReach, TransferBroken, type HttpClient } from './http-client.js';
import { PartFile } from './part-file.js';
import type { PieceRange, RemoteObject, RemoteStore } from './remote-store.js';

export interface FetchOptions {
  readonly store: RemoteStore;
  readonly http: HttpClient;
  /** The folder of files that are named by their SHA-256, which is there. */
  readonly folder: string;
  /** Bounds the transfers at a time, over all files. */
  readonly queue: PQueue;
  /** Bytes of a piece; a file of at most so many is asked for as a whole. */
  readonly pieceBytes: number;
  /** Called with the bytes that have come since the last call. */
  readonly came: (bytes: number) => void;
}

export interface Downloaded {
  readonly sha256: string;
  readonly bytes: number;
}

/**
 * Downloads a file.
 * @throws UserError 65 where what comes is not what the server told, OutOfReach (69) where it does not come, 69 where
 * the disk takes no more
 */
export async function download(object: RemoteObject, options: FetchOptions): Promise<Downloaded> {
  const { address, bytes, etag, modified, sha256 } = object;
  try {
    const identity = sha256Of(JSON.stringify([address, bytes, etag, modified, sha256, options.pieceBytes])).slice(
      0,
      32,
    );
    const isTold = etag !== null || modified !== null || sha256 !== null;
    const part = await PartFile.open(options.folder, { identity, isTold });
    try {
      await fill(part, object, options);
      await part.sync();
    } finally {
      await part.close();
    }
    return await keep(part, object, options.folder);
  } catch (error) {
    const problem = storageProblem(error);
    if (problem === null) throw error;
    throw new UserError(
      `${address}: ${problem}; room for it was wanted in ${options.folder}, or another STILLHOUSE_CACHE`,
      exitCodes.unavailable,
      error,
    );
  }
}

/** @throws UserError 65 where the digest is another than the server told */
async function keep(part: PartFile, { address, sha256 }: RemoteObject, folder: string): Promise<Downloaded> {
  const found = await digestOf(part.path);
  if (sha256 !== null && found.sha256 !== sha256) {
    await part.remove();
    throw new UserError(
      `${address}: what came has SHA-256 ${found.sha256}; ${sha256} was wanted, which the server tells`,
      exitCodes.data,
    );
  }
  await part.become(join(folder, found.sha256));
  return found;
}

/** SHA-256 and length of a file. */
export async function digestOf(path: string): Promise<Downloaded> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { sha256: hash.digest('hex'), bytes };
}

async function fill(part: PartFile, object: RemoteObject, options: FetchOptions): Promise<void> {
  const { bytes } = object;
  if (bytes === null || bytes <= options.pieceBytes) {
    await inOne(part, object, options);
    return;
  }
  const ranges = piecesOf(bytes, options.pieceBytes);
  options.came(ranges.reduce((sum, range, i) => sum + (part.has(i) ? range.to - range.from : 0), 0));
  const wanted = [...ranges.entries()].filter(([i]) => !part.has(i));
  const [first, ...others] = wanted;
  if (first === undefined) return;
  // The first piece tells whether the server knows ranges at all.
  if ((await options.queue.add(() => piece(part, object, { ...options, at: first }))) === 'whole') return;
  await all(options.queue, others, (at) => piece(part, object, { ...options, at }));
}

/** Runs a task for each at a time when the queue has room; after the first that fails no further one is begun. */
async function all<T>(queue: PQueue, items: readonly T[], run: (item: T) => Promise<unknown>): Promise<void> {
  const state: { isFailed: boolean } = { isFailed: false };
  await Promise.all(
    items.map((item) =>
      queue.add(async () => {
        if (state.isFailed) return;
        await run(item).catch((error: unknown) => {
          state.isFailed = true;
          throw error;
        });
      }),
    ),
  );
}

function piecesOf(bytes: number, pieceBytes: number): PieceRange[] {
  return Array.from({ length: Math.ceil(bytes / pieceBytes) }, (_, i) => ({
    from: i * pieceBytes,
    to: Math.min(bytes, (i + 1) * pieceBytes),
  }));
}

async function inOne(part: PartFile, object: RemoteObject, options: FetchOptions): Promise<void> {
  const { bytes } = object;
  if (bytes === 0) return;
  await options.queue.add(() =>
    persist(object, options, (got) => {
      const isKnown = bytes !== null;
      const range = isKnown && got.bytes > 0 ? { from: got.bytes, to: bytes } : null;
      return receive(part, object, { ...options, got, range, from: 0, to: bytes });
    }),
  );
}

/** @returns whole: the server sent all of the file in place of the piece, and all of it has come */
async function piece(
  part: PartFile,
  object: RemoteObject,
  options: FetchOptions & { readonly at: readonly [number, PieceRange] },
): Promise<'piece' | 'whole'> {
  const [number, range] = options.at;
  const isWhole = await persist(object, options, async (got) => {
    const { from, to } = range;
    const asked = { from: from + got.bytes, to };
    return receive(part, object, { ...options, got, range: asked, from, to });
  });
  if (isWhole) return 'whole';
  await part.finish(number);
  return 'piece';
}

/** What has come of a transfer so far, over all attempts. */
interface Got {
  bytes: number;
}

/** Goes on with what breaks. Attempts count from the last one that brought something. */
async function persist<T>(
  { address }: RemoteObject,
  { http }: FetchOptions,
  once: (got: Got) => Promise<T>,
): Promise<T> {
  const got: Got = { bytes: 0 };
  let before = -1;
  for (let attempt = 1; ; attempt++) {
    try {
      return await once(got);
    } catch (error) {
      http.expectGoing();
      if (!(error instanceof TransferBroken)) throw error;
      if (got.bytes > before) attempt = 1;
      before = got.bytes;
      if (attempt >= http.attempts) throw new OutOfReach(address, `${error.message}, ${attempt} times`, error);
      await http.pauseAfter(error, attempt);
    }
  }
}

interface Receiving extends FetchOptions {
  readonly got: Got;
  /** What is asked for; null for all. */
  readonly range: PieceRange | null;
  /** Where the transfer begins in the file. */
  readonly from: number;
  /** Where it ends; null where nobody knows. */
  readonly to: number | null;
}

/** Writes what comes. @returns whether the server sent the whole file where a part was asked for */
async function receive(part: PartFile, object: RemoteObject, wanted: Receiving): Promise<boolean> {
  const { store, range, got, came } = wanted;
  const body = await store.read(object, range);
  const isWhole = body.isWhole && range !== null;
  if (body.isWhole) {
    came(-got.bytes);
    got.bytes = 0;
  }
  const from = isWhole ? 0 : wanted.from;
  const end = isWhole ? object.bytes : wanted.to;
  try {
    for await (const bytes of body.bytes) {
      if (!(bytes instanceof Uint8Array)) throw new TransferBroken('it sends no bytes');
      if (end !== null && from + got.bytes + bytes.length > end)
        throw new UserError(
          `${object.address}: more than the ${object.bytes} bytes that were told came`,
          exitCodes.data,
        );
      await part.write(bytes, from + got.bytes);
      got.bytes += bytes.length;
      came(bytes.length);
    }
  } catch (error) {
    if (error instanceof UserError || error instanceof TransferBroken || storageProblem(error) !== null) throw error;
    throw new TransferBroken(`the transfer broke after ${from + got.bytes} bytes`, { cause: error });
  } finally {
    body.close();
  }
  if (end !== null && from + got.bytes < end) throw new TransferBroken(`it sent ${from + got.bytes} of ${end} bytes`);
  return isWhole;
}

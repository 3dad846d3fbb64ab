/**
 * Brings a remote file to the disk: pieces of it at once, each begun again where it broke, into a part that a later
 * process goes on with; then its SHA-256 is taken of what lies on the disk, and it gets that for its name.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import PQueue from 'p-queue';
import { exitCodes, storageProblem, UserError } from '../../../shared/errors.js';
import { ifThere } from '../../../shared/files.js';
import { sha256Of } from '../../../shared/sha256.js';
import { isMasked } from './addresses.js';
import { OutOfReach, TransferBroken, type HttpClient } from './http-client.js';
import { PartFile } from './part-file.js';
import type { PieceRange, RemoteBody, RemoteObject, RemoteStore } from './remote-store.js';

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
  /** Expects that the cache keeps within its bound, where a server tells no length. @throws UserError 69 */
  readonly room: () => Promise<void>;
  /** Aborted, for the reason that all fail, as soon as one transfer has failed; the others then end. */
  readonly failing: AbortController;
}

/** How often a file is begun again whose part another process took away. */
const mostBeginnings = 3;

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
  try {
    for (let beginning = 1; beginning <= mostBeginnings; beginning++) {
      const found = await ifThere(downloadOnce(object, options));
      if (found !== null) return found;
    }
  } catch (error) {
    throw explained(error, object, options.folder);
  }
  throw new OutOfReach(object.address, `its file in ${options.folder} was taken away ${mostBeginnings} times`);
}

async function downloadOnce(object: RemoteObject, options: FetchOptions): Promise<Downloaded> {
  const part = await PartFile.open(options.folder, partIdentity(object, options.pieceBytes));
  try {
    try {
      await fill(part, object, options);
      await part.sync();
    } finally {
      await part.close();
    }
    return await keep(part, object, options);
  } finally {
    part.leave();
  }
}

/** What a failure of the disk means for the user; any other error as it is. */
function explained(error: unknown, { address }: RemoteObject, folder: string): unknown {
  const problem = storageProblem(error);
  if (problem === null) return error;
  return new UserError(
    `${address}: ${problem}; room for it was wanted in ${folder}, or another STILLHOUSE_CACHE`,
    exitCodes.unavailable,
    error,
  );
}

/** What the part of a file is known again by. A time alone tells too little of an address of which some is masked. */
function partIdentity(
  { address, bytes, etag, modified, sha256 }: RemoteObject,
  pieceBytes: number,
): { readonly identity: string; readonly isTold: boolean } {
  const identity = sha256Of(JSON.stringify([address, bytes, etag, modified, sha256, pieceBytes])).slice(0, 32);
  return { identity, isTold: etag !== null || sha256 !== null || (modified !== null && !isMasked(address)) };
}

/** Bytes in the folder of a part of the file that a download would go on with, which is used from now on. */
export async function bytesInPart(
  object: RemoteObject,
  { folder, pieceBytes }: Pick<FetchOptions, 'folder' | 'pieceBytes'>,
): Promise<number> {
  const found = await PartFile.bytesLeft(folder, partIdentity(object, pieceBytes));
  return Math.min(found, object.bytes ?? 0);
}

/** @throws UserError 65 where the digest is another than the server told */
async function keep(
  part: PartFile,
  { address, sha256 }: RemoteObject,
  { folder, http, failing }: FetchOptions,
): Promise<Downloaded> {
  const found = await digestOf(part.path, () => {
    http.expectGoing();
    failing.signal.throwIfAborted();
  });
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

/** SHA-256 and length of a file. @param going called again and again; what it throws ends the work */
export async function digestOf(path: string, going: () => void): Promise<Downloaded> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    going();
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
  const missing = (): [number, PieceRange][] => [...ranges.entries()].filter(([i]) => !part.has(i));
  const [first] = missing();
  if (first === undefined) return;
  // The first piece tells whether the server knows ranges at all.
  const sent = await options.queue.add(() => piece(part, object, { ...options, at: first, mayBeWhole: true }));
  if (sent === 'whole') return;
  const { queue, failing } = options;
  await Promise.all(
    missing().map((at) =>
      queue.add(async () => {
        if (failing.signal.aborted) return;
        await piece(part, object, { ...options, at, mayBeWhole: false }).catch((error: unknown) =>
          failing.abort(explained(error, object, options.folder)),
        );
      }),
    ),
  );
  // All have ended by now, so that none writes to a file that is closed.
  failing.signal.throwIfAborted();
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
      return receive(part, object, { ...options, got, range, from: 0, to: bytes, mayBeWhole: true });
    }),
  );
}

/** @returns whole: the server sent all of the file in place of the piece, and all of it has come */
async function piece(
  part: PartFile,
  object: RemoteObject,
  options: FetchOptions & { readonly at: readonly [number, PieceRange]; readonly mayBeWhole: boolean },
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
  { http, failing }: FetchOptions,
  once: (got: Got) => Promise<T>,
): Promise<T> {
  const got: Got = { bytes: 0 };
  let before = -1;
  for (let attempt = 1; ; attempt++) {
    try {
      return await once(got);
    } catch (error) {
      http.expectGoing();
      if (!(error instanceof TransferBroken) || failing.signal.aborted) throw error;
      if (got.bytes > before) attempt = 1;
      before = Math.max(before, got.bytes);
      if (attempt >= http.attempts) throw new OutOfReach(address, `${error.message}, ${attempt} times`, error);
      await http.pauseAfter(error, attempt, failing.signal);
      failing.signal.throwIfAborted();
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
  /** Whether the whole file may come in place of a part; else others write to the same file. */
  readonly mayBeWhole: boolean;
}

/** Writes what comes. @returns whether the server sent the whole file where a part was asked for */
async function receive(part: PartFile, object: RemoteObject, wanted: Receiving): Promise<boolean> {
  const { store, range, got, failing } = wanted;
  const body = await store.read(object, range);
  const isWhole = body.isWhole && range !== null;
  const end = isWhole ? object.bytes : wanted.to;
  const from = isWhole ? 0 : wanted.from;
  const close = (): void => body.close();
  failing.signal.addEventListener('abort', close);
  try {
    failing.signal.throwIfAborted();
    if (isWhole && !wanted.mayBeWhole) throw new TransferBroken('it sends all of the file where a part was asked for');
    if (body.isWhole) forget(wanted);
    await writeAll(part, object, { ...wanted, body, from, to: end });
    if (end !== null && from + got.bytes < end) throw new TransferBroken(`it sent ${from + got.bytes} of ${end} bytes`);
  } catch (error) {
    const broken = `the transfer broke after ${from + got.bytes} bytes`;
    // What came lies elsewhere than the part that the next attempt asks for.
    if (isWhole && wanted.mayBeWhole) forget(wanted);
    if (error instanceof UserError || error instanceof TransferBroken || storageProblem(error) !== null) throw error;
    throw new TransferBroken(broken, { cause: error });
  } finally {
    failing.signal.removeEventListener('abort', close);
    close();
  }
  return isWhole;
}

/** Takes back what has come of a transfer. */
function forget({ got, came }: Receiving): void {
  came(-got.bytes);
  got.bytes = 0;
}

async function writeAll(
  part: PartFile,
  object: RemoteObject,
  { body, from, to, got, came, room, pieceBytes }: Receiving & { readonly body: RemoteBody },
): Promise<void> {
  let unchecked = 0;
  // What lies there from before may be longer. It goes only once more comes: a stream that breaks keeps nothing that waits.
  const begin = async (): Promise<void> => (body.isWhole && got.bytes === 0 ? part.empty() : undefined);
  for await (const bytes of body.bytes) {
    if (!(bytes instanceof Uint8Array)) throw new TransferBroken('it sends no bytes');
    if (to !== null && from + got.bytes + bytes.length > to)
      throw new UserError(`${object.address}: more than the ${object.bytes} bytes that were told came`, exitCodes.data);
    await begin();
    await part.write(bytes, from + got.bytes);
    got.bytes += bytes.length;
    came(bytes.length);
    unchecked += bytes.length;
    if (object.bytes !== null || unchecked < pieceBytes) continue;
    unchecked = 0;
    await room();
  }
  await begin();
}

/**
 * Artifacts on this machine's disk: CACHE/artifacts/<sha256>, shared by all workers of the machine and by all runs.
 * A file under its final name has been verified; it is verified again at its first use in a process, and fetched anew
 * if it was damaged. Several processes may fetch one artifact at once: each writes its own temporary file, and the
 * rename is atomic. A broken transfer goes on where it stopped (HTTP Range). It never gives a file whose SHA-256 is not
 * its name.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import PQueue from 'p-queue';
import { codeOf, exitCodes, storageProblem, UserError } from '../../shared/errors.js';
import { ifThere } from '../../shared/files.js';
import type { Artifact } from '../../shared/protocol/messages.js';
import { markUsed } from '../../shared/room.js';
import { makeRoom } from './artifact-room.js';
import type { CoordinatorClient } from './coordinator-client.js';

export interface ArtifactCacheOptions {
  readonly cacheFolder: string;
  /** Whose artifacts are fetched. */
  readonly client: CoordinatorClient;
  /** Milliseconds without a byte after which a transfer counts as broken. */
  readonly idleMs?: number;
  readonly retryMs?: number;
  readonly attempts?: number;
}

/** The transfer broke; what has come so far is kept and the rest asked for again. */
class TransferError extends Error {}

const artifactsPath = '/artifacts/';
const parallelFetches = 3;

/** Shards that may be read while others are fetched: two that are read, two that are fetched ahead, and one that is waited for. */
const shardsInUse = 5;

export class ArtifactCache {
  readonly #options: Required<ArtifactCacheOptions>;
  readonly #folder: string;
  readonly #open = new Map<string, Promise<string>>();
  readonly #queue = new PQueue({ concurrency: parallelFetches });
  /** Lengths by SHA-256, of all that was announced. */
  readonly #announced = new Map<string, number>();
  readonly #expendable = new Set<string>();
  /** Those of the expendable ones that were asked for, the least recently used first. */
  readonly #asked = new Set<string>();

  constructor(options: ArtifactCacheOptions) {
    this.#options = { idleMs: 20_000, retryMs: 500, attempts: 8, ...options };
    this.#folder = join(options.cacheFolder, 'artifacts');
  }

  /**
   * Takes note of artifacts that may be asked for by their SHA-256 alone.
   * @param expendable those among them that go again where room is wanted, but for the few that were asked for last:
   * whoever reads one then asks for it anew
   */
  announce(artifacts: Iterable<Artifact>, expendable: Iterable<Artifact> = []): void {
    for (const { sha256, bytes } of artifacts) this.#announced.set(sha256, bytes);
    for (const { sha256 } of expendable) this.#expendable.add(sha256);
  }

  /** Fetches an artifact that was announced. @throws UserError 65 for another; else as `fetch` */
  async fetchAnnounced(sha256: string): Promise<string> {
    const bytes = this.#announced.get(sha256);
    if (bytes === undefined)
      throw new UserError(
        `artifact ${sha256}: nothing was said of its length; one that is known was wanted`,
        exitCodes.data,
      );
    if (this.#expendable.has(sha256)) {
      this.#asked.delete(sha256);
      this.#asked.add(sha256);
    }
    return this.fetch({ sha256, bytes });
  }

  /**
   * The verified file's path, which is marked as used. A file that was taken away to make room is fetched anew. No more than its length is ever taken from the coordinator.
   * @throws UserError 65 when the source's bytes have another digest or are more, 69 when they or the disk cannot be
   * had
   */
  async fetch(wanted: Artifact): Promise<string> {
    const found = this.#open.get(wanted.sha256);
    if (found !== undefined && (await markUsed(await found))) return found;
    // Who waited for the same look before may have begun to fetch it anew.
    const other = this.#open.get(wanted.sha256);
    if (other !== undefined && other !== found) return other;
    const path = this.#queue.add(() => this.#provide(wanted));
    this.#open.set(wanted.sha256, path);
    path.catch(() => this.#open.delete(wanted.sha256));
    return path;
  }

  async #provide(wanted: Artifact): Promise<string> {
    if (!/^[0-9a-f]{64}$/.test(wanted.sha256))
      throw new UserError(`artifact ${wanted.sha256}: not a SHA-256`, exitCodes.data);
    const path = join(this.#folder, wanted.sha256);
    const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.part`;
    try {
      if ((await ifThere(digestOf(path))) === wanted.sha256) {
        await markUsed(path);
        return path;
      }
      await mkdir(this.#folder, { recursive: true });
      await makeRoom(this.#folder, wanted.bytes, { expendable: [...this.#asked].slice(0, -shardsInUse) });
      try {
        await this.#download(wanted, temporary);
        await rename(temporary, path);
      } finally {
        await rm(temporary, { force: true });
      }
    } catch (error) {
      throw this.#explain(wanted, error);
    }
    return path;
  }

  /** A wrong digest is tried once more from the start, since a resumed transfer may have joined two things. */
  async #download(wanted: Artifact, temporary: string): Promise<void> {
    for (let attempt = 1; attempt <= 2; attempt++) {
      await this.#transfer(wanted, temporary);
      if ((await ifThere(digestOf(temporary))) === wanted.sha256) return;
      await rm(temporary, { force: true });
    }
    throw new UserError(
      `artifact ${wanted.sha256}: the coordinator's file has another SHA-256; the file was changed after the run began`,
      exitCodes.data,
    );
  }

  async #transfer(wanted: Artifact, temporary: string): Promise<void> {
    let before = -1;
    for (let attempt = 1; ; attempt++) {
      try {
        return void (await this.#request(wanted, temporary));
      } catch (error) {
        // Attempts count from the last one that brought something.
        const have = await sizeOfFile(temporary);
        if (have > before) attempt = 1;
        before = have;
        if (error instanceof UserError || attempt >= this.#options.attempts || isDiskError(error)) throw error;
        await sleep(this.#options.retryMs * attempt);
      }
    }
  }

  async #request(wanted: Artifact, temporary: string): Promise<void> {
    const have = await sizeOfFile(temporary);
    if (have === wanted.bytes && have > 0) return;
    const response = await this.#get(wanted.sha256, have);
    const isResumed = response.statusCode === 206 && have > 0;
    try {
      // What lies here is as long as the source's file or longer, so it is not a beginning of it.
      if (response.statusCode === 416) await rm(temporary, { force: true });
      checkStatus(response, wanted.sha256);
      await writeBytes(response, temporary, { isResumed, limit: wanted.bytes - (isResumed ? have : 0) });
      const got = await sizeOfFile(temporary);
      if (got < wanted.bytes) throw new TransferError(`${got} of ${wanted.bytes} bytes`);
    } finally {
      response.destroy();
    }
  }

  #get(sha256: string, from: number): Promise<IncomingMessage> {
    const { client, idleMs } = this.#options;
    const headers: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
    return client.request({ path: `${artifactsPath}${sha256}`, headers }, { idleMs });
  }

  #explain(wanted: Artifact, error: unknown): UserError {
    if (error instanceof UserError) return error;
    const text = error instanceof Error ? error.message : String(error);
    const place = isDiskError(error)
      ? `cannot be kept in ${this.#folder}`
      : `cannot be fetched from ${this.#options.client.address.http}${artifactsPath}`;
    return new UserError(`artifact ${wanted.sha256}: ${place}: ${text}`, exitCodes.unavailable, error);
  }
}

/** Whether it is this machine's disk that fails: EEXIST is a file in the place of the cache's folder. */
function isDiskError(error: unknown): boolean {
  return storageProblem(error) !== null || codeOf(error) === 'EEXIST';
}

function checkStatus(response: IncomingMessage, sha256: string): void {
  const status = response.statusCode ?? 0;
  if (status === 200 || status === 206) return;
  if (status === 401 || status === 403)
    throw new UserError(`artifact ${sha256}: the coordinator refused the token (${status})`, exitCodes.refused);
  // A snapshot that newer ones have replaced: the next welcome names another.
  if (status === 404)
    throw new UserError(`artifact ${sha256}: the coordinator does not have it (404)`, exitCodes.unavailable);
  throw new TransferError(`status ${status}`);
}

/**
 * Each piece is on its way to the disk before the next is awaited, so that a transfer that breaks keeps what came.
 * @throws UserError at the first byte beyond `limit`
 */
async function writeBytes(
  source: AsyncIterable<unknown>,
  path: string,
  { isResumed, limit }: { isResumed: boolean; limit: number },
): Promise<void> {
  const file = await open(path, isResumed ? 'a' : 'w');
  let written = 0;
  try {
    for await (const bytes of source) {
      if (!(bytes instanceof Uint8Array)) throw new TransferError('no bytes');
      written += bytes.length;
      if (written > limit)
        throw new UserError(`the coordinator sends more than the ${limit} bytes that it announced`, exitCodes.data);
      await file.writeFile(bytes);
    }
  } finally {
    await file.close();
  }
}

/** Bytes of a file, 0 where there is none. */
async function sizeOfFile(path: string): Promise<number> {
  return (await ifThere(stat(path)))?.size ?? 0;
}

/** SHA-256 of a file in hexadecimal. */
async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const bytes of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>)
    hash.update(bytes);
  return hash.digest('hex');
}

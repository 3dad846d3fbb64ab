/**
 * Fetches one big file over HTTP, going on where it broke off: `TARGET.part` keeps what there is between attempts and
 * between runs of the program. What the bytes are worth is for the caller to check.
 */
import { open, rename, rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { reasonOf, shown, type WebAddress } from './web-address.js';

export interface DownloadOptions {
  readonly sizeBytes: number;
  readonly onProgress?: (doneBytes: number) => void;
  /** How many attempts in a row may bring nothing; default 5. */
  readonly attempts?: number;
  /** Before the first repeated attempt; default 1000. */
  readonly pauseMs?: number;
}

/**
 * Ends with a file `target` of exactly `sizeBytes`. A break is followed by the next attempt, after a pause that doubles
 * with each one that brings nothing.
 * @throws UserError 69 when the server refuses, or too many attempts bring nothing; the system's error when the disk fails
 */
export async function download(address: WebAddress, target: string, options: DownloadOptions): Promise<void> {
  const { sizeBytes, attempts = 5, pauseMs = 1000 } = options;
  const part = `${target}.part`;
  let fruitless = 0;
  let doneBytes = await sizeOf(part);
  while (doneBytes !== sizeBytes) {
    const failure = await fetchRest(address, part, doneBytes, options);
    const nowBytes = await sizeOf(part);
    if (nowBytes > sizeBytes) await rm(part);
    fruitless = nowBytes > doneBytes && nowBytes <= sizeBytes ? 0 : fruitless + 1;
    doneBytes = nowBytes > sizeBytes ? 0 : nowBytes;
    if (doneBytes === sizeBytes) break;
    if (fruitless >= attempts) throw failed(address, doneBytes, options, failure);
    await sleep(pauseMs * 2 ** fruitless);
  }
  await rename(part, target);
}

/** One request. @returns why it ended early; undefined when the server sent all that it promised */
async function fetchRest(
  address: WebAddress,
  part: string,
  from: number,
  { onProgress }: DownloadOptions,
): Promise<unknown> {
  try {
    const response = await fetch(address.url, {
      headers: { ...address.headers, ...(from > 0 ? { range: `bytes=${from}-` } : {}) },
    });
    if (response.status >= 500 || response.status === 429) return new Error(`the server answers ${response.status}`);
    if (response.status === 416) return void (await rm(part, { force: true }));
    if (!response.ok || response.body === null)
      throw new UserError(
        `${shown(address.url)}: the server answers ${response.status}; the file was wanted`,
        exitCodes.unavailable,
      );
    const isResumed =
      response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${from}-`) === true;
    await append(response.body, part, isResumed ? from : 0, onProgress);
    return undefined;
  } catch (error) {
    if (error instanceof UserError || isDisk(error)) throw error;
    return error;
  }
}

/** Chunk after chunk, so that all that came before a break is kept. */
async function append(
  body: AsyncIterable<Uint8Array>,
  part: string,
  from: number,
  onProgress: DownloadOptions['onProgress'],
): Promise<void> {
  const file = await open(part, from > 0 ? 'a' : 'w');
  let doneBytes = from;
  try {
    for await (const chunk of body) {
      await file.writeFile(chunk);
      doneBytes += chunk.length;
      onProgress?.(doneBytes);
    }
  } finally {
    await file.close();
  }
}

function isDisk(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && ['open', 'write'].includes(String(error.syscall));
}

function failed(address: WebAddress, doneBytes: number, { sizeBytes }: DownloadOptions, cause: unknown): UserError {
  const why = cause instanceof Error ? reasonOf(cause) : 'the server sends less than the whole';
  return new UserError(
    `${shown(address.url)}: ${why} (${doneBytes} of ${sizeBytes} bytes are kept; run again to go on)`,
    exitCodes.unavailable,
    cause,
  );
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

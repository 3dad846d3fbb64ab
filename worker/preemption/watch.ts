/**
 * Watches for the notice that this machine is about to be taken away: a cloud's metadata service is asked again and again,
 * or a file is looked for. A service that does not answer is told once, and asked again.
 */
import { readFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { ifReachable } from '../../shared/files.js';
import { printable } from '../../shared/printable.js';
import { clouds, textOf, type Cloud, type CloudName, type MetadataAnswer, type MetadataRequest } from './notices.js';

/** Looks once. @returns why the machine is taken away; null while it is not. @throws Error where nobody can tell */
export type LookForNotice = () => Promise<string | null>;

/** How long a metadata service may take to answer, in milliseconds. */
const answerMs = 2000;
/** The longest answer that is read, in bytes. */
const longestAnswer = 64 * 1024;

/** @param source `aws`, `gcp` or `azure`, else the path of a file that appears */
export function noticeOf(
  source: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): LookForNotice {
  return isCloud(source) ? noticeOfCloud(clouds[source], environment) : () => noticeInFile(source);
}

function isCloud(source: string): source is CloudName {
  return Object.hasOwn(clouds, source);
}

async function noticeInFile(path: string): Promise<string | null> {
  const text = await ifReachable(readFile(path, 'utf8'));
  if (text === null) return null;
  return text.trim() === '' ? `${path} is there` : printable(text.trim(), 200);
}

function noticeOfCloud(cloud: Cloud, environment: Readonly<Record<string, string | undefined>>): LookForNotice {
  const named = cloud.variable === null ? undefined : environment[cloud.variable];
  const base = named === undefined || named === '' ? cloud.base : named.includes('://') ? named : `http://${named}`;
  let introduced: string | null = null;
  return async () => {
    try {
      introduced ??= cloud.introduction === null ? '' : await introduce(base, cloud.introduction);
      return cloud.read(await ask(base, cloud.question(introduced)), introduced);
    } catch (error) {
      // A token that has come to its end, or a service that was started anew.
      introduced = null;
      throw new Error(`${base}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  };
}

async function introduce(base: string, request: MetadataRequest): Promise<string> {
  const { status, body } = await ask(base, request);
  if (status !== 200) throw new Error(`it answered ${status}`);
  return textOf(body);
}

function ask(base: string, { path, method, headers }: MetadataRequest): Promise<MetadataAnswer> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(answerMs);
    const request = httpRequest(new URL(path, base), { method, headers, signal }, (response) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      response.on('data', (piece: Buffer) => {
        pieces.push(piece);
        bytes += piece.length;
        if (bytes > longestAnswer) request.destroy(new Error(`it answered more than ${longestAnswer} bytes`));
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(pieces) }));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end();
  });
}

export interface WatchOptions {
  readonly look: LookForNotice;
  /** How often it looks, in milliseconds. */
  readonly everyMs: number;
  /** Ends the watch. */
  readonly signal: AbortSignal;
  readonly warn: (line: string) => void;
}

/** Resolves to the notice once there is one; to null when the watch is ended before. */
export async function watchForNotice({ look, everyMs, signal, warn }: WatchOptions): Promise<string | null> {
  let isWarned = false;
  while (!signal.aborted) {
    try {
      const notice = await look();
      if (notice !== null) return notice;
      isWarned = false;
    } catch (error) {
      const reason = printable(error instanceof Error ? error.message : String(error), 200);
      if (!isWarned) warn(`no notice of preemption can be had: ${reason}; asking again every ${everyMs / 1000} s`);
      isWarned = true;
    }
    await sleep(everyMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
  return null;
}

/**
 * Models, shards and snapshots by content hash: GET or HEAD /artifacts/<sha256>, with Range. Paths come from the map
 * alone; what a peer sends is only ever a key. Content under a hash never changes, so the hash is the ETag.
 */
import { createReadStream } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { codeOf } from '../../shared/errors.js';
import { ifThere } from '../../shared/files.js';
import { markUsed } from '../../shared/room.js';

export type ArtifactSource = { readonly path: string } | { readonly bytes: Uint8Array };
/** Finds an artifact; one that has to be brought first comes as a promise, which must not reject. */
export type FindArtifact = (sha256: string) => ArtifactSource | undefined | Promise<ArtifactSource | undefined>;

const route = /^\/artifacts\/([0-9a-f]{64})$/;

/** Answers the request. @returns false when it is not for an artifact */
export async function serveArtifact(
  request: IncomingMessage,
  response: ServerResponse,
  find: FindArtifact,
): Promise<boolean> {
  const sha256 = route.exec(request.url ?? '')?.[1];
  if (sha256 === undefined) return false;
  const source = await find(sha256);
  if (source === undefined) return answer(response, 404, 'no such artifact');
  if ('bytes' in source) {
    const { bytes } = source;
    await send({
      request,
      response,
      etag: sha256,
      size: bytes.length,
      body: (from, to) => response.end(bytes.subarray(from, to)),
    });
    return true;
  }
  // Files of the user have their own names, and keep their times.
  if (basename(source.path) === sha256) await markUsed(source.path);
  await serveFile(request, response, { path: source.path, etag: sha256 });
  return true;
}

/**
 * Answers with a file, or the range of it that is asked for: as long as it is now, should it grow meanwhile.
 * @param file where it lies, and what changes when what was there of it does
 */
export async function serveFile(
  request: IncomingMessage,
  response: ServerResponse,
  { path, etag }: { readonly path: string; readonly etag: string },
): Promise<void> {
  const file = await ifThere(open(path, 'r'));
  if (file === null) return void answer(response, 404, 'no such artifact');
  try {
    const { size } = await file.stat();
    await send({ request, response, etag, size, body: (from, to) => stream(file, response, from, to) });
  } finally {
    await file.close();
  }
}

interface Sending {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Without its quotes. */
  readonly etag: string;
  readonly size: number;
  /** Sends bytes [from, to). */
  readonly body: (from: number, to: number) => unknown;
}

async function send({ request, response, size, body, ...sending }: Sending): Promise<void> {
  const etag = `"${sending.etag}"`;
  const ifRange = request.headers['if-range'];
  const range = ifRange === undefined || ifRange === etag ? parseRange(request.headers.range, size) : null;
  response
    .setHeader('accept-ranges', 'bytes')
    .setHeader('etag', etag)
    .setHeader('content-type', 'application/octet-stream');
  if (range === 'unsatisfiable') {
    response.setHeader('content-range', `bytes */${size}`);
    return void answer(response, 416, 'range not satisfiable');
  }
  const { from, to } = range ?? { from: 0, to: size };
  if (range !== null) response.setHeader('content-range', `bytes ${from}-${to - 1}/${size}`);
  response.writeHead(range === null ? 200 : 206, { 'content-length': to - from });
  if (request.method === 'HEAD' || to === from) response.end();
  else await body(from, to);
}

/** A half-open range; null for none, or for a form that may be ignored (several ranges). */
export function parseRange(
  header: string | undefined,
  size: number,
): { from: number; to: number } | 'unsatisfiable' | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  const [first, last] = [match?.[1] ?? '', match?.[2] ?? ''];
  if (match === null || (first === '' && last === '')) return null;
  const from = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const to = first === '' || last === '' ? size : Math.min(size, Number(last) + 1);
  return from < to ? { from, to } : 'unsatisfiable';
}

/** A reader that goes away in the middle is its own affair. */
async function stream(file: FileHandle, response: ServerResponse, from: number, to: number): Promise<void> {
  try {
    await pipeline(
      createReadStream('', { fd: file, start: from, end: to - 1, autoClose: false, highWaterMark: 1024 * 1024 }),
      response,
    );
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'ERR_STREAM_PREMATURE_CLOSE' && code !== 'ECONNRESET' && code !== 'EPIPE') throw error;
  }
}

/** A JSON body with a reason. */
export function answer(response: ServerResponse, status: number, error: string): true {
  return answerJson(response, status, { error });
}

export function answerJson(response: ServerResponse, status: number, value: unknown): true {
  const body = JSON.stringify(value);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
  return true;
}

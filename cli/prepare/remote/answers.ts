/** What answers of HTTP servers say of a file, and what they mean for the user. */
import type { IncomingMessage } from 'node:http';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { OutOfReach, TransferBroken } from './http-client.js';
import type { PieceRange, RemoteBody, RemoteObject } from './remote-store.js';

/** The length of the whole file, by Content-Range or Content-Length; null where neither tells. */
export function lengthOf({ statusCode, headers }: IncomingMessage): number | null {
  const text = statusCode === 206 ? /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1] : headers['content-length'];
  return text === undefined || !/^\d+$/.test(text) ? null : Number(text);
}

/** The headers that ask for a part, of the very file that was listed where its tag tells. */
export function rangeHeaders({ etag, modified }: RemoteObject, range: PieceRange | null): Record<string, string> {
  return {
    ...(range === null ? {} : { range: `bytes=${range.from}-${range.to - 1}` }),
    ...(etag === null || etag.startsWith('W/') ? {} : { 'if-match': etag }),
    ...(etag === null && modified !== null ? { 'if-unmodified-since': modified } : {}),
  };
}

/**
 * The bytes of an answer to such a request.
 * @param denied what a status says that grants no access
 * @throws UserError 65 where the file is another than was listed, 2 where access is not granted; TransferBroken
 */
export function bodyOf(
  response: IncomingMessage,
  object: RemoteObject,
  { range, denied }: { readonly range: PieceRange | null; readonly denied: (status: number) => UserError },
): RemoteBody {
  try {
    const { statusCode: status = 0, headers } = response;
    if (status === 412 || status === 416) throw changed(object, `it answers ${status}`);
    if (status === 401 || status === 403) throw denied(status);
    if (status === 404 || status === 410) throw changed(object, 'it is there no more');
    if (status !== 200 && status !== 206) throw new OutOfReach(object.address, `it answers ${status}`);
    expectSame(response, object);
    if (status === 206) expectRange(headers['content-range'], range);
    return { bytes: response, isWhole: status === 200, close: () => void response.destroy() };
  } catch (error) {
    response.destroy();
    throw error;
  }
}

function expectSame(response: IncomingMessage, object: RemoteObject): void {
  const { etag, 'last-modified': modified } = response.headers;
  const bytes = lengthOf(response);
  if (object.bytes !== null && bytes !== null && bytes !== object.bytes) throw changed(object, `${bytes} bytes`);
  if (object.etag !== null && etag !== undefined && etag !== object.etag) throw changed(object, `ETag ${etag}`);
  if (object.etag === null && object.modified !== null && modified !== object.modified)
    throw changed(object, `one of ${modified ?? 'no time'}`);
}

function expectRange(header: string | undefined, range: PieceRange | null): void {
  const first = /^bytes (\d+)-/.exec(header ?? '')?.[1];
  const from = range?.from ?? 0;
  if (Number(first) !== from)
    throw new TransferBroken(`it sends ${header ?? 'a part'} where bytes from ${from} were asked for`);
}

/** A file that became another while it was read. */
export function changed({ address, bytes, etag, modified }: RemoteObject, came: string): UserError {
  const before = [
    ...(bytes === null ? [] : [`${bytes} bytes`]),
    ...(etag === null ? [] : [`ETag ${etag}`]),
    ...(etag === null && modified !== null ? [`one of ${modified}`] : []),
  ].join(', ');
  return new UserError(
    `${address}: it was changed while it was read: ${before || 'no length'} at first, then ${came}; a file that stays was wanted`,
    exitCodes.data,
  );
}

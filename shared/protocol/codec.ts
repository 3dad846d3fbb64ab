/**
 * Messages to frames and back. A frame is one binary WebSocket message:
 *
 *   u32 LE: header bytes | header: MessagePack | zeros to a multiple of 8 | payload
 *
 * Bytes enter as unknown and leave fully checked: sizes before anything is allocated, then the shape of the MessagePack
 * (plain.ts: data alone, so that nothing of the decoder's extensions is ever reached), then the message's zod schema.
 */
import { Packr, Unpackr } from 'msgpackr';
import { ProtocolError } from '../errors.js';
import { printable } from '../printable.js';
import {
  closeCodes,
  downMessageSchema,
  limits,
  upMessageSchema,
  type DownMessage,
  type UpMessage,
} from './messages.js';
import { checkPlain } from './plain.js';

/** One frame in one piece, or head and payload, which `sendFrame` sends as two fragments without joining them. */
export type Frame = Uint8Array | readonly [head: Uint8Array, payload: Uint8Array];
/** What a socket hands over: a whole message or its fragments (`binaryType: 'fragments'`). */
export type FrameData = Uint8Array | readonly Uint8Array[];

export interface Decoded<M> {
  readonly message: M;
  /** A view of the frame's bytes, of any alignment. */
  readonly payload: Uint8Array;
}

/** Payloads up to this size are copied behind the head: cheaper than a second fragment. */
const joinBytes = 64 * 1024;
const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

/** A payload longer than 64 KiB is not copied: it must stay as it is until it was sent. */
export function encodeFrame(message: UpMessage | DownMessage, payload?: Uint8Array): Frame {
  const header = packr.pack(message);
  const payloadBytes = payload?.length ?? 0;
  checkSizes(header.length, payloadBytes);
  const headBytes = paddedHead(header.length);
  const joined = payloadBytes <= joinBytes;
  const head = new Uint8Array(headBytes + (joined ? payloadBytes : 0));
  new DataView(head.buffer).setUint32(0, header.length, true);
  head.set(header, 4);
  if (payload === undefined) return head;
  if (!joined) return [head, payload];
  head.set(payload, headBytes);
  return head;
}

/** @throws ProtocolError for anything that is not exactly one message of a worker. */
export function decodeUp(data: FrameData): Decoded<UpMessage> {
  const { header, payload } = splitFrame(data);
  const checked = upMessageSchema.safeParse(unpack(header));
  if (!checked.success) throw refuse(checked.error.issues[0], header.length);
  return { message: checked.data, payload };
}

/** @throws ProtocolError for anything that is not exactly one message of a coordinator. */
export function decodeDown(data: FrameData): Decoded<DownMessage> {
  const { header, payload } = splitFrame(data);
  const checked = downMessageSchema.safeParse(unpack(header));
  if (!checked.success) throw refuse(checked.error.issues[0], header.length);
  return { message: checked.data, payload };
}

/** The part of a `ws` socket that sends. */
export interface FrameSocket {
  send(data: Uint8Array, options: { binary: boolean; fin: boolean }, done: (error?: Error | null) => void): void;
}

/** `done` is called once the payload's memory is no longer needed, also when sending failed. */
export function sendFrame(socket: FrameSocket, frame: Frame, done: (error?: Error | null) => void = ignore): void {
  if (frame instanceof Uint8Array) return socket.send(frame, { binary: true, fin: true }, done);
  const [head, payload] = frame;
  socket.send(head, { binary: true, fin: false }, ignore);
  socket.send(payload, { binary: true, fin: true }, done);
}

function ignore(): void {
  // A failed send is followed by the socket's close, which is where it is dealt with.
}

export function frameBytes(frame: Frame): number {
  return frame instanceof Uint8Array ? frame.length : frame[0].length + frame[1].length;
}

function paddedHead(headerBytes: number): number {
  return Math.ceil((4 + headerBytes) / 8) * 8;
}

function checkSizes(headerBytes: number, payloadBytes: number): void {
  if (headerBytes > limits.headerBytes) {
    throw new ProtocolError(
      `header of ${headerBytes} bytes; at most ${limits.headerBytes} are allowed`,
      closeCodes.badFrame,
    );
  }
  if (payloadBytes > limits.pieceBytes) {
    throw new ProtocolError(
      `payload of ${payloadBytes} bytes; at most ${limits.pieceBytes} are allowed`,
      closeCodes.badFrame,
    );
  }
}

/** Header and payload as views; fragments are joined only where a part crosses them. */
function splitFrame(data: FrameData): { header: Uint8Array; payload: Uint8Array } {
  const parts = data instanceof Uint8Array ? [data] : data;
  const [first = new Uint8Array(0), second] = parts;
  const isHeadAlone =
    second !== undefined && parts.length === 2 && first.length >= 4 && first.length === declaredHead(first);
  const head = isHeadAlone || parts.length < 2 ? first : Buffer.concat(parts);
  const headBytes = declaredHead(head);
  if (headBytes > head.length)
    throw new ProtocolError(`frame of ${head.length} bytes; its header needs ${headBytes}`, closeCodes.badFrame);
  const headerBytes = headerLength(head);
  const payload = isHeadAlone ? second : head.subarray(headBytes);
  checkSizes(headerBytes, payload.length);
  for (let i = 4 + headerBytes; i < headBytes; i++) {
    if (head[i] !== 0) throw new ProtocolError('padding that is not zero', closeCodes.badFrame);
  }
  return { header: head.subarray(4, 4 + headerBytes), payload };
}

function headerLength(head: Uint8Array): number {
  return new DataView(head.buffer, head.byteOffset, head.length).getUint32(0, true);
}

function declaredHead(head: Uint8Array): number {
  if (head.length < 4)
    throw new ProtocolError(`frame of ${head.length} bytes; at least 4 were wanted`, closeCodes.badFrame);
  return paddedHead(headerLength(head));
}

function unpack(header: Uint8Array): unknown {
  checkPlain(header);
  try {
    return unpackr.unpack(header);
  } catch (error) {
    throw new ProtocolError('header is not MessagePack', closeCodes.badFrame, error);
  }
}

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

function refuse(issue: Issue | undefined, headerBytes: number): ProtocolError {
  const where =
    issue === undefined || issue.path.length === 0 ? 'message' : `field ${issue.path.map(String).join('.')}`;
  return new ProtocolError(
    printable(`${where}: ${issue?.message ?? 'not known'} (header of ${headerBytes} bytes)`, 500),
    closeCodes.badFrame,
  );
}

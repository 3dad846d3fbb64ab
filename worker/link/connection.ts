/**
 * One WebSocket to the coordinator: opened, or refused with a reason; frames out and in, in order; closed with a
 * reason. It knows frames and nothing of what they mean. A region given to `send` is the socket's until its callback.
 */
import type { IncomingMessage } from 'node:http';
import type { ConnectionOptions } from 'node:tls';
import { WebSocket, type RawData } from 'ws';
import { exitCodes, ProtocolError, UserError } from '../../shared/errors.js';
import { printable } from '../../shared/printable.js';
import { decodeDown, encodeFrame, sendFrame } from '../../shared/protocol/codec.js';
import { limits, subprotocol, type DownMessage, type UpMessage } from '../../shared/protocol/messages.js';

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** What the link needs of a connection; tests may give it another. */
export interface Connection {
  send(message: UpMessage, payload?: Uint8Array, whenSent?: () => void): void;
  /** Frames go to `onMessage` one after the other; a ProtocolError that it throws closes the connection. */
  receive(onMessage: (message: DownMessage, payload: Uint8Array) => void): void;
  /** Stops the arrival of frames until `resume`; what has come already is still delivered. */
  pause(): void;
  resume(): void;
  /** Bytes that were given to `send` and not to the network yet. */
  readonly bufferedBytes: number;
  close(code: number, reason: string): void;
  /** Ends the connection without a closing handshake. */
  terminate(): void;
  readonly closed: Promise<Closed>;
}

/** The coordinator does not answer now, and may later; the message says what happened. */
export class Unreachable extends Error {}

const handshakeMs = 10_000;

/**
 * Opens a WebSocket for CoordinatorClient, which knows the address and the headers.
 *
 * @throws UserError 77 when the coordinator refuses this worker: token, version
 * @throws Unreachable when there is no coordinator, or not yet
 */
export function openConnection(
  url: string,
  options: { readonly headers: Readonly<Record<string, string>> } & ConnectionOptions,
): Promise<Connection> {
  const socket = new WebSocket(url, [subprotocol], {
    ...options,
    perMessageDeflate: false,
    maxPayload: limits.frameBytes,
    handshakeTimeout: handshakeMs,
    // With zero masks ws skips masking on both sides. Masks protect proxies from browsers' scripts, and this is no
    // browser.
    generateMask: () => undefined,
  });
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(new SocketConnection(socket)));
    socket.once('unexpected-response', (_request, response) => {
      void refusalOf(response).then((error) => {
        reject(error);
        socket.terminate();
      });
    });
    socket.on('error', (error) => reject(new Unreachable(printable(error.message, 500), { cause: error })));
  });
}

/** Statuses that say: not you, and not later either. */
const finalStatuses = new Set([400, 401, 403, 404, 426]);

async function refusalOf(response: IncomingMessage): Promise<Error> {
  const status = response.statusCode ?? 0;
  const text = printable(await readStart(response), 500);
  if (!finalStatuses.has(status)) return new Unreachable(`status ${status}: ${text}`);
  return new UserError(`the coordinator refused this worker (${status}): ${text}`, exitCodes.refused);
}

const refusalBytes = 4096;

/** The `error` field of a JSON body, or else the start of the body, in one line. */
async function readStart(response: IncomingMessage): Promise<string> {
  let text = '';
  try {
    for await (const bytes of response.setEncoding('utf8')) {
      text += String(bytes);
      if (text.length > refusalBytes) break;
    }
  } catch (error) {
    if (text === '') return error instanceof Error ? error.message : 'no reason given';
  }
  return (
    errorField(text) ??
    (text.slice(0, 200).replace(/\s+/g, ' ').trim() || (response.statusMessage ?? 'no reason given'))
  );
}

function errorField(text: string): string | null {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null && 'error' in body && typeof body.error === 'string')
      return body.error;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return null;
}

const closeMs = 2000;

class SocketConnection implements Connection {
  readonly closed: Promise<Closed>;
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    // Fragments are not joined: the head of a big frame is one, its payload the other.
    socket.binaryType = 'fragments';
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => resolve({ code, reason: printable(reason.toString('utf8')) }));
    });
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(message: UpMessage, payload?: Uint8Array, whenSent?: () => void): void {
    const done = (): void => whenSent?.();
    if (this.#socket.readyState !== WebSocket.OPEN) return done();
    sendFrame(this.#socket, encodeFrame(message, payload), done);
  }

  receive(onMessage: (message: DownMessage, payload: Uint8Array) => void): void {
    this.#socket.on('message', (data: RawData, isBinary: boolean) => {
      try {
        if (!isBinary || data instanceof ArrayBuffer) throw new ProtocolError('a frame is not binary');
        const { message, payload } = decodeDown(data);
        onMessage(message, payload);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        this.close(error.closeCode, error.message);
      }
    });
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(code: number, reason: string): void {
    this.#socket.resume();
    this.#socket.close(code, reason.replace(/[^\x20-\x7e]/g, '?').slice(0, 120));
    // A coordinator that is gone or stopped does not answer the closing handshake.
    const timer = setTimeout(() => this.#socket.terminate(), closeMs);
    void this.closed.then(() => clearTimeout(timer));
  }

  terminate(): void {
    this.#socket.terminate();
  }
}

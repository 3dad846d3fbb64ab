/**
 * What is on its way to one worker. Counts the bytes that its socket has not taken yet, so that bulk is sent no faster
 * than it is read, and closes a connection that does not read at all.
 */
import type { WebSocket } from 'ws';
import { encodeFrame, frameBytes, sendFrame, type Frame } from '../../shared/protocol/codec.js';
import { limits, type DownMessage } from '../../shared/protocol/messages.js';

/** Queued beyond this by small messages alone: the peer sends without reading. */
const hardLimitBytes = 2 * limits.queuedBytes;

export class Outbox {
  readonly #socket: Pick<WebSocket, 'send' | 'close' | 'terminate' | 'readyState' | 'OPEN'>;
  #queuedBytes = 0;
  #movedMs = 0;
  #wake: (() => void)[] = [];
  #isClosed = false;

  constructor(socket: Pick<WebSocket, 'send' | 'close' | 'terminate' | 'readyState' | 'OPEN'>) {
    this.#socket = socket;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Milliseconds since the socket last took something, while something is queued. */
  stalledMs(): number {
    return this.#queuedBytes === 0 ? 0 : performance.now() - this.#movedMs;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  send(message: DownMessage): void {
    this.sendFrame(encodeFrame(message));
  }

  /** `done` is called once the frame's memory is no longer needed, whatever became of it. */
  sendFrame(frame: Frame, done: () => void = () => undefined): void {
    if (this.#isClosed || this.#socket.readyState !== this.#socket.OPEN) return done();
    const size = frameBytes(frame);
    if (this.#queuedBytes === 0) this.#movedMs = performance.now();
    this.#queuedBytes += size;
    sendFrame(this.#socket, frame, () => {
      this.#queuedBytes -= size;
      this.#movedMs = performance.now();
      done();
      this.#notify();
    });
    if (this.#queuedBytes > hardLimitBytes) this.terminate();
  }

  /** Resolves once fewer than `bytes` are queued, or the connection is closed. */
  async room(bytes: number = limits.queuedBytes): Promise<void> {
    while (!this.#isClosed && this.#queuedBytes >= bytes)
      await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  /** Says why, then closes; a peer that does not answer is cut off. */
  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#socket.close(code, printable(reason));
    setTimeout(() => this.#socket.terminate(), closeGraceMs).unref();
    this.#markClosed();
  }

  terminate(): void {
    this.#socket.terminate();
    this.#markClosed();
  }

  /** The socket has closed. */
  closed(): void {
    this.#markClosed();
  }

  #markClosed(): void {
    this.#isClosed = true;
    this.#notify();
  }

  #notify(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const wake of waiting) wake();
  }
}

const closeGraceMs = 2000;

/** A close frame holds at most 123 bytes of text. */
function printable(reason: string): string {
  return reason.replace(/[^\x20-\x7e]/g, '?').slice(0, 120);
}

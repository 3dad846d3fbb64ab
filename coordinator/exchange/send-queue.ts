/**
 * The frames that are on their way to one worker. It counts the bytes that the worker's channel has not taken yet, and
 * those beside it that the worker has not read, so that bulk is sent no faster than it is read, and cuts off a worker
 * that does not read at all.
 */
import { encodeFrame, frameBytes, type Frame } from '../../shared/protocol/codec.js';
import { limits, type DownMessage } from '../../shared/protocol/messages.js';
import type { CancelTimer, Timers } from '../../shared/timers.js';
import type { Channel } from './channel.js';

/** Bytes that small messages alone may pile up to. Beyond them the peer sends without reading. */
const hardLimitBytes = 2 * limits.queuedBytes;
/** How long a peer may take to answer the closing handshake. */
const closeGraceMs = 2000;

/** Sends frames to one worker, and knows how many bytes of them are still on this side. */
export class SendQueue {
  readonly #channel: Channel;
  readonly #timers: Timers;
  #queuedBytes = 0;
  /** When the channel last took something, or when the queue was last empty. */
  #movedMs = 0;
  #waiting: (() => void)[] = [];
  #isClosed = false;
  #cancelCutOff: CancelTimer = () => undefined;

  constructor(channel: Channel, timers: Timers) {
    this.#channel = channel;
    this.#timers = timers;
  }

  /** Bytes that were sent and that the channel has not taken, or the worker not read, yet. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Whether nothing is sent any more: the connection is closed, or is being closed. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Milliseconds since the channel last took something; 0 while nothing is queued. */
  stalledMs(): number {
    return this.#queuedBytes === 0 ? 0 : this.#timers.nowMs() - this.#movedMs;
  }

  /** Sends a message that has no payload. */
  send(message: DownMessage): void {
    this.sendFrame(encodeFrame(message));
  }

  /** `whenSent` is called once the frame's memory is no longer needed, whatever became of the frame. */
  sendFrame(frame: Frame, whenSent: () => void = () => undefined): void {
    if (this.#isClosed || !this.#channel.isOpen) return whenSent();
    const bytes = frameBytes(frame);
    if (this.#queuedBytes === 0) this.#movedMs = this.#timers.nowMs();
    this.#queuedBytes += bytes;
    this.#channel.send(frame, () => {
      this.#queuedBytes -= bytes;
      this.#movedMs = this.#timers.nowMs();
      whenSent();
      this.#wake();
    });
    if (this.#queuedBytes > hardLimitBytes) this.terminate();
  }

  /** Counts bytes that lie in a file for the worker to read, or, below 0, that it has read there. */
  countBeside(bytes: number): void {
    if (this.#queuedBytes === 0 || bytes < 0) this.#movedMs = this.#timers.nowMs();
    this.#queuedBytes += bytes;
    if (bytes < 0) this.#wake();
  }

  /** Resolves once fewer than `bytes` are queued, or the connection is closed. */
  async room(bytes: number = limits.queuedBytes): Promise<void> {
    while (!this.#isClosed && this.#queuedBytes >= bytes)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Says why, then closes; a peer that does not answer the closing handshake is cut off. */
  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#channel.close(code, reason);
    this.#cancelCutOff = this.#timers.after(closeGraceMs, () => this.#channel.terminate());
    this.#markClosed();
  }

  /** Cuts the connection without a word. */
  terminate(): void {
    this.#channel.terminate();
    this.#markClosed();
  }

  /** Ends the queue. Must be called when the channel is gone. */
  closed(): void {
    this.#cancelCutOff();
    this.#markClosed();
  }

  #markClosed(): void {
    this.#isClosed = true;
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

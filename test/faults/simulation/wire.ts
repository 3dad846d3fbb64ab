/**
 * One connection in virtual time: frames take a while, keep their order each way, and are lost when it breaks. The
 * coordinator's end is a real Channel; the worker's end is what `up` and `break` stand for.
 */
import type { Channel, ChannelListener } from '../../../coordinator/exchange/channel.js';
import { frameBytes, type Frame } from '../../../shared/protocol/codec.js';
import type { RandomStream } from './random-stream.js';
import type { VirtualClock } from './virtual-time.js';

export interface WireOptions {
  /** The host that the worker is on. */
  readonly origin: string;
  readonly clock: VirtualClock;
  readonly random: RandomStream;
  /** Longest delay of a frame. */
  readonly latencyMs: number;
  /** A frame has come down to the worker. */
  readonly onFrame: (frame: Frame) => void;
  /** The coordinator has closed the connection with this code, or has cut it off (null). */
  readonly onClosed: (code: number | null) => void;
}

export class Wire implements Channel {
  readonly address = 'simulated';
  receivedBytes = 0;
  readonly sentBytes = 0;
  /** Half-open: nothing comes up from the worker any more. */
  isMute = false;
  readonly origin: string;
  readonly #options: WireOptions;
  /** Null before the coordinator listens, and once it no longer has the connection. */
  #listener: ChannelListener | null = null;
  /** Whether the coordinator can still send: it has not begun to close the connection. */
  #isSending = true;
  /** Whether the worker still has the connection. */
  #isWorkerOpen = true;
  #downMs = 0;
  #upMs = 0;

  constructor(options: WireOptions) {
    this.#options = options;
    this.origin = options.origin;
  }

  // The coordinator's end

  get isOpen(): boolean {
    return this.#isSending;
  }

  listen(listener: ChannelListener): void {
    this.#listener = listener;
  }

  send(frame: Frame, whenSent: () => void): void {
    this.#down(() => {
      whenSent();
      if (this.#isWorkerOpen) this.#options.onFrame(frame);
    });
  }

  /** The worker hears of it after all frames, and answers. */
  close(code: number): void {
    if (!this.#isSending) return;
    this.#isSending = false;
    this.#down(() => {
      this.#endAtWorker(code);
      this.#up(() => this.#endAtCoordinator());
    });
  }

  terminate(): void {
    this.#isSending = false;
    this.#options.clock.in(0, () => this.#endAtCoordinator());
    this.#down(() => this.#endAtWorker(null));
  }

  // The worker's end

  /** A frame of the worker's. */
  up(frame: Frame): void {
    this.#up(() => {
      if (!this.#isWorkerOpen) return;
      this.receivedBytes += frameBytes(frame);
      this.#listener?.onFrame(frame);
    });
  }

  /** The worker's end is gone, and all that is under way with it; the coordinator notices in `ms` milliseconds. */
  break(ms: number): void {
    this.#isWorkerOpen = false;
    if (!this.isMute) this.#options.clock.in(ms, () => this.#endAtCoordinator());
  }

  /** The coordinator's process is gone: it hears nothing any more, and the worker's end closes. */
  crash(): void {
    [this.#listener, this.#isSending] = [null, false];
    this.#endAtWorker(null);
  }

  #endAtWorker(code: number | null): void {
    if (!this.#isWorkerOpen) return;
    this.#isWorkerOpen = false;
    this.#options.onClosed(code);
  }

  #endAtCoordinator(): void {
    const listener = this.#listener;
    [this.#listener, this.#isSending] = [null, false];
    listener?.onClosed(null);
  }

  #down(arrive: () => void): void {
    this.#downMs = this.#deliver(this.#downMs, arrive);
  }

  #up(arrive: () => void): void {
    this.#upMs = this.#deliver(this.#upMs, () => {
      if (!this.isMute) arrive();
    });
  }

  #deliver(lastMs: number, arrive: () => void): number {
    const { clock, random, latencyMs } = this.#options;
    const atMs = Math.max(lastMs, clock.nowMs + random.below(latencyMs + 1));
    clock.in(atMs - clock.nowMs, arrive);
    return atMs;
  }
}

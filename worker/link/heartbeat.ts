/**
 * Signs of life in both directions: heartbeats to the coordinator as often as it wants them, the silence after which
 * the coordinator counts as gone, and the standstill after which the own trainer counts as stuck.
 */
import type { Up } from '../../shared/protocol/messages.js';
import { allowanceMs, withMeasured, type RoundTrip } from '../../shared/protocol/round-trip.js';
import type { LinkView } from '../threads/control.js';
import type { Connection } from './connection.js';

/** What every frame says of the run that it belongs to. */
export type Envelope = Pick<Up<'heartbeat'>, 'run' | 'generation' | 'step'>;

export interface VigilOptions {
  /** Milliseconds without a frame, beside what an answer may take, after which the coordinator is gone or cut off. */
  readonly silenceMs?: number | undefined;
  /** Milliseconds without progress after which a trainer that has work is stuck. */
  readonly stallMs?: number | undefined;
  readonly onStall?: (() => void) | undefined;
}

export interface HeartbeatOptions extends VigilOptions {
  readonly connection: Pick<Connection, 'send' | 'terminate'>;
  readonly control: LinkView;
  readonly envelope: () => Envelope;
  /** Whether frames are being read: a paused socket hears nothing, and then a broken download is what tells. */
  readonly isListening: () => boolean;
  /** Whether the trainer has a lease whose weights are here. */
  readonly hasWork: () => boolean;
  /** Called after each heartbeat. */
  readonly onBeat: () => void;
}

const defaultSilenceMs = 5000;
const defaultStallMs = 600_000;

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: NodeJS.Timeout | null = null;
  #heardMs = performance.now();
  /** Measured since the last heartbeat, if any. */
  #rttMs: number | null = null;
  #roundTrip: RoundTrip | null = null;
  /** The trainer's last new progress, and when it was seen. */
  #progress = { count: -1, sinceMs: performance.now() };

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  start(everyMs: number): void {
    this.#timer = setInterval(() => this.#beat(), everyMs);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** The coordinator was heard, or can be heard again from now on. */
  heard(): void {
    this.#heardMs = performance.now();
  }

  /** The coordinator has answered the heartbeat that was sent at `sentMs` of this process's monotonic clock. */
  answered(sentMs: number): void {
    this.#rttMs = Math.max(0, performance.now() - sentMs);
    this.#roundTrip = withMeasured(this.#roundTrip, this.#rttMs);
  }

  #beat(): void {
    const { control, connection, envelope, isListening, silenceMs = defaultSilenceMs } = this.#options;
    const nowMs = performance.now();
    if (isListening() && nowMs - this.#heardMs > silenceMs + allowanceMs(this.#roundTrip)) {
      connection.terminate();
      return;
    }
    this.#watchTrainer(nowMs);
    connection.send({
      type: 'heartbeat',
      ...envelope(),
      progress: control.progress,
      sentMs: nowMs,
      ...(this.#rttMs === null ? {} : { rttMs: this.#rttMs }),
      rssBytes: process.memoryUsage.rss(),
      tensors: control.tensors,
    });
    this.#rttMs = null;
    this.#options.onBeat();
  }

  #watchTrainer(nowMs: number): void {
    const { control, hasWork, stallMs = defaultStallMs, onStall } = this.#options;
    const { progress } = control;
    if (progress !== this.#progress.count || !(control.isBusy || hasWork()))
      this.#progress = { count: progress, sinceMs: nowMs };
    if (nowMs - this.#progress.sinceMs > stallMs) onStall?.();
  }
}

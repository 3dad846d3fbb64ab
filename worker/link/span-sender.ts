/**
 * What this worker does, on its way to a coordinator that traces the run: spans of both threads are kept until the next
 * heartbeat, and then sent with how far this clock is from the coordinator's. Before that is known nothing is sent.
 */
import type { Down, Up } from '../../shared/protocol/messages.js';
import { ClockOffsets } from '../../shared/trace/clock-offset.js';
import { spanLimits, type SpanPlace, type WorkerSpan, type WorkerSpanName } from '../../shared/trace/spans.js';
import { processMs } from '../threads/process-clock.js';
import { SpanBuffer } from '../threads/span-buffer.js';

/** Is told of a span that has just ended, with its start by processMs(). */
export type OnSpan = (name: WorkerSpanName, startMs: number, place: Partial<SpanPlace>) => void;

const nowhere: SpanPlace = { step: null, microBatch: null, lease: null };

export class SpanSender {
  readonly #connection: { send(message: Up<'spans'>): void };
  readonly #envelope: () => Pick<Up<'spans'>, 'run' | 'generation' | 'step'>;
  readonly #spans = new SpanBuffer();
  readonly #clocks = new ClockOffsets();
  /** The commit whose bytes come in chunks now, and since when; null for none. */
  #receiving: { readonly step: number; readonly startMs: number } | null = null;

  constructor(
    connection: { send(message: Up<'spans'>): void },
    envelope: () => Pick<Up<'spans'>, 'run' | 'generation' | 'step'>,
  ) {
    this.#connection = connection;
    this.#envelope = envelope;
  }

  add(name: WorkerSpanName, startMs: number, place: Partial<SpanPlace>): void {
    this.#spans.add(name, startMs, processMs(), { ...nowhere, ...place });
  }

  addAll(spans: readonly WorkerSpan[], lost: number): void {
    this.#spans.addAll(spans, lost);
  }

  /** A commit's header is here; its bytes come after it, unless they came with it. */
  receives({ step, bytes }: Down<'commit'>, payload: Uint8Array): void {
    this.#receiving = bytes > payload.byteLength ? { step, startMs: processMs() } : null;
  }

  /** All bytes of the step's commit are here. */
  received(step: number): void {
    if (this.#receiving?.step !== step) return;
    this.add('receive', this.#receiving.startMs, { step });
    this.#receiving = null;
  }

  /** The coordinator has answered the heartbeat that was sent at `sentMs` of this thread's performance.now(). */
  answered({ sentMs, atMs }: Pick<Down<'pong'>, 'sentMs' | 'atMs'>): void {
    if (atMs === undefined) return;
    const nowMs = processMs();
    this.#clocks.measured(nowMs - (performance.now() - sentMs), atMs, nowMs);
  }

  /** Sends what was kept. */
  flush(): void {
    const clock = this.#clocks.best;
    if (clock === null || this.#spans.isEmpty) return;
    const { spans, lost } = this.#spans.take();
    for (let from = 0; from < spans.length; from += spanLimits.perMessage) {
      const some = spans
        .slice(from, from + spanLimits.perMessage)
        .map((span): Up<'spans'>['spans'][number] => [...span]);
      this.#connection.send({
        type: 'spans',
        ...this.#envelope(),
        offsetMs: clock.offsetMs,
        errorMs: clock.errorMs,
        lost: from === 0 ? lost : 0,
        spans: some,
      });
    }
  }
}

import type { Phase } from '../../shared/figures/phases.js';
import type { SpanPlace, WorkerSpanName } from '../../shared/trace/spans.js';
import { processMs } from '../threads/process-clock.js';
import { SpanBuffer } from '../threads/span-buffer.js';

/** What a piece of work is for, and the name of its span where that is not its phase's. */
export interface PhasePlace extends SpanPlace {
  readonly name?: WorkerSpanName;
}

/** What the span of each phase is called. */
const spanNames: Readonly<Record<Exclude<Phase, 'optimizer'>, WorkerSpanName>> = {
  load: 'load',
  labels: 'label',
  student: 'student',
  reduce: 'reduce',
  wait: 'wait',
};

const nowhere: PhasePlace = { step: null, microBatch: null, lease: null };

/**
 * Adds up the seconds of each phase of the trainer's work, for the report of where a step's time goes; where the run is
 * traced it also keeps each piece of work as a span.
 */
export class PhaseClock {
  readonly #isTraced: () => boolean;
  readonly #seconds = new Map<Phase, number>();
  readonly #spans = new SpanBuffer();

  /** @param isTraced asked at each piece of work */
  constructor(isTraced: () => boolean) {
    this.#isTraced = isTraced;
  }

  /**
   * Runs `body` and counts its time, however it ends, as the phase's.
   * @param place what it is for, as it may be known from its result alone
   */
  async time<T>(
    phase: keyof typeof spanNames,
    body: () => T | Promise<T>,
    place?: PhasePlace | ((result: T) => PhasePlace | null),
  ): Promise<T> {
    const startMs = processMs();
    let at = typeof place === 'object' ? place : nowhere;
    try {
      const result = await body();
      if (typeof place === 'function') at = place(result) ?? nowhere;
      return result;
    } finally {
      const endMs = processMs();
      // A phase that was not measured yet has taken no time.
      this.#seconds.set(phase, (this.#seconds.get(phase) ?? 0) + (endMs - startMs) / 1000);
      if (this.#isTraced()) this.#spans.add(at.name ?? spanNames[phase], startMs, endMs, at);
    }
  }

  /** Seconds by phase since the last `take`. */
  take(): Partial<Record<Phase, number>> {
    const seconds = Object.fromEntries(this.#seconds);
    this.#seconds.clear();
    return seconds;
  }

  /** The spans since the last time; null for none. */
  takeSpans(): ReturnType<SpanBuffer['take']> | null {
    return this.#spans.isEmpty ? null : this.#spans.take();
  }
}

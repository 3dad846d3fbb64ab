import type { Phase } from '../../shared/figures/phases.js';

/** Adds up the seconds of each phase of the trainer's work, for the report of where a step's time goes. */
export class PhaseClock {
  readonly #seconds = new Map<Phase, number>();

  /** Runs `body` and counts its time, however it ends, as the phase's. */
  async time<T>(phase: Phase, body: () => T | Promise<T>): Promise<T> {
    const startMs = performance.now();
    try {
      return await body();
    } finally {
      // A phase that was not measured yet has taken no time.
      const before = this.#seconds.get(phase) ?? 0;
      this.#seconds.set(phase, before + (performance.now() - startMs) / 1000);
    }
  }

  /** Seconds by phase since the last `take`. */
  take(): Partial<Record<Phase, number>> {
    const seconds = Object.fromEntries(this.#seconds);
    this.#seconds.clear();
    return seconds;
  }
}

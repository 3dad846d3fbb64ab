/** Seconds by phase, for the report of where a step's time goes. */
export class PhaseClock {
  readonly #seconds = new Map<string, number>();

  async time<T>(phase: string, body: () => T | Promise<T>): Promise<T> {
    const startMs = performance.now();
    try {
      return await body();
    } finally {
      this.#seconds.set(phase, (this.#seconds.get(phase) ?? 0) + (performance.now() - startMs) / 1000);
    }
  }

  /** What was measured since the last `take`. */
  take(): Record<string, number> {
    const seconds = Object.fromEntries(this.#seconds);
    this.#seconds.clear();
    return seconds;
  }
}

/** Seconds by phase, for the report of where a step's time goes. */
export class PhaseClock {
    #seconds = new Map();
    async time(phase, body) {
        const startMs = performance.now();
        try {
            return await body();
        }
        finally {
            this.#seconds.set(phase, (this.#seconds.get(phase) ?? 0) + (performance.now() - startMs) / 1000);
        }
    }
    /** What was measured since the last `take`. */
    take() {
        const seconds = Object.fromEntries(this.#seconds);
        this.#seconds.clear();
        return seconds;
    }
}
//# sourceMappingURL=phase-clock.js.map
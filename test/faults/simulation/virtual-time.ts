/** Virtual time: what is to happen when. Nothing takes time by itself; the clock jumps to the next thing that is due. */
import type { CancelTimer, Timers } from '../../../shared/timers.js';

interface Entry {
  readonly atMs: number;
  readonly run: () => void;
}

export class VirtualClock {
  nowMs = 0;
  /** The next to run is last. Entries of one moment run in the order of their coming. */
  readonly #agenda: Entry[] = [];

  in(ms: number, run: () => void): void {
    const entry = { atMs: this.nowMs + ms, run };
    let place = this.#agenda.length;
    while (place > 0 && (this.#agenda[place - 1]?.atMs ?? 0) <= entry.atMs) place--;
    this.#agenda.splice(place, 0, entry);
  }

  /** Runs what is next, and all that waits for it, before time goes on; false when nothing is left. */
  async advance(): Promise<boolean> {
    const next = this.#agenda.pop();
    if (next === undefined) return false;
    this.nowMs = next.atMs;
    next.run();
    await new Promise(setImmediate);
    return true;
  }
}

/** The timers of one process. None of them goes off once the process is gone. */
export class ProcessTimers implements Timers {
  isGone = false;
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  nowMs(): number {
    return this.#clock.nowMs;
  }

  after(ms: number, run: () => void): CancelTimer {
    let isWanted = true;
    this.#clock.in(ms, () => {
      if (isWanted && !this.isGone) run();
    });
    return () => {
      isWanted = false;
    };
  }

  every(ms: number, run: () => void): CancelTimer {
    let isWanted = true;
    const again = (): void => {
      if (!isWanted || this.isGone) return;
      run();
      this.#clock.in(ms, again);
    };
    this.#clock.in(ms, again);
    return () => {
      isWanted = false;
    };
  }
}

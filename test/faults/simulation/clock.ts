/** Virtual time: what is to happen when, and frames that take a while and keep their order. */
import type { RandomStream } from './random-stream.js';

interface Entry {
  readonly atMs: number;
  readonly run: () => void | Promise<void>;
}

export class Clock {
  nowMs = 0;
  /** The next to run is last. Entries of one moment run in the order of their coming. */
  readonly #agenda: Entry[] = [];

  in(ms: number, run: Entry['run']): void {
    const entry = { atMs: this.nowMs + ms, run };
    let place = this.#agenda.length;
    while (place > 0 && (this.#agenda[place - 1]?.atMs ?? 0) <= entry.atMs) place--;
    this.#agenda.splice(place, 0, entry);
  }

  /** Runs what is next, whatever time it is then; false when nothing is left. */
  async advance(): Promise<boolean> {
    const next = this.#agenda.pop();
    if (next === undefined) return false;
    this.nowMs = next.atMs;
    const pending = next.run();
    if (pending !== undefined) await pending;
    return true;
  }
}

/** One connection: frames keep their order each way, and are lost when it closes. */
export class Wire {
  isOpen = true;
  /** Half-open: nothing comes up from the worker any more. */
  isMute = false;
  readonly #clock: Clock;
  readonly #random: RandomStream;
  readonly #latencyMs: number;
  #downMs = 0;
  #upMs = 0;

  constructor(clock: Clock, random: RandomStream, latencyMs: number) {
    [this.#clock, this.#random, this.#latencyMs] = [clock, random, latencyMs];
  }

  /** To the worker. */
  down(arrive: () => void): void {
    this.#downMs = this.#deliver(this.#downMs, arrive);
  }

  /** To the coordinator. */
  up(arrive: () => void): void {
    this.#upMs = this.#deliver(this.#upMs, () => {
      if (!this.isMute) arrive();
    });
  }

  #deliver(lastMs: number, arrive: () => void): number {
    const atMs = Math.max(lastMs, this.#clock.nowMs + this.#random.below(this.#latencyMs + 1));
    this.#clock.in(atMs - this.#clock.nowMs, () => {
      if (this.isOpen) arrive();
    });
    return atMs;
  }
}

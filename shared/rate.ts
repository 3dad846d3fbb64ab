/** How often something may happen, and how long it is to wait when it happens more often: a bucket that is filled anew. */
export interface Allowance {
  /** So many at once. */
  readonly burst: number;
  /** So many a second in the long run. */
  readonly perSecond: number;
}

export class Rate {
  readonly #allowance: Allowance;
  readonly #nowMs: () => number;
  #left: number;
  #filledMs: number;

  constructor(allowance: Allowance, nowMs: () => number = () => performance.now()) {
    this.#allowance = allowance;
    this.#nowMs = nowMs;
    this.#left = allowance.burst;
    this.#filledMs = nowMs();
  }

  /** Counts one. @returns milliseconds that the next one is to wait; 0 within the allowance */
  take(): number {
    const { perSecond } = this.#allowance;
    this.#fill();
    this.#left--;
    return this.#left >= 0 ? 0 : (-this.#left / perSecond) * 1000;
  }

  #fill(): void {
    const { burst, perSecond } = this.#allowance;
    const nowMs = this.#nowMs();
    this.#left = Math.min(burst, this.#left + ((nowMs - this.#filledMs) / 1000) * perSecond);
    this.#filledMs = nowMs;
  }
}

/** A rate for each of many keys, such as addresses. It forgets those that have been quiet. */
export class Rates {
  readonly #allowance: Allowance;
  readonly #nowMs: () => number;
  readonly #rates = new Map<string, Rate>();
  readonly #limit: number;

  /** @param limit of keys that are remembered; the oldest are forgotten first */
  constructor(allowance: Allowance, nowMs: () => number = () => performance.now(), limit = 4096) {
    this.#allowance = allowance;
    this.#nowMs = nowMs;
    this.#limit = limit;
  }

  /** Counts one for the key. @returns whether it is within the allowance */
  take(key: string): boolean {
    const rate = this.#rates.get(key) ?? new Rate(this.#allowance, this.#nowMs);
    this.#rates.delete(key);
    this.#rates.set(key, rate);
    const [oldest] = this.#rates.keys();
    if (this.#rates.size > this.#limit && oldest !== undefined) this.#rates.delete(oldest);
    return rate.take() === 0;
  }
}

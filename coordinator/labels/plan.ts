/**
 * The plan that says which label block a labelling worker makes next. It is pure: time comes in. Units are numbers, in
 * the order in which training will want them; each is leased to one worker at a time, and to another once its worker
 * has been silent for too long.
 *
 *   open --lease--> leased --complete--> complete
 *          ^-----silent too long--'
 *
 * Any sign of life (labels that come in, the next question) renews a worker's lease. A worker that asks again has given
 * up what it held. Blocks may also become complete without a lease: training workers label what they lack.
 */

export interface LabelPatience {
  /** Silence in milliseconds that a worker's first block may take: kernels compile and models load. */
  readonly firstMs: number;
  /** Silence in milliseconds that is never too long. */
  readonly leastMs: number;
}

interface Holder {
  /** The unit that the worker has leased. */
  unit: number | null;
  heardMs: number;
  /** The longest time between two signs of life while the worker held a lease; null before the second. */
  longestMs: number | null;
}

/** How many times its longest silence so far a worker may be silent. */
const patienceFactor = 4;

export class LabelPlan {
  readonly #patience: LabelPatience;
  readonly #open: Set<number>;
  readonly #holders = new Map<string, Holder>();

  /** @param order the units that are not complete, the most wanted first */
  constructor(order: Iterable<number>, patience: LabelPatience) {
    this.#open = new Set(order);
    this.#patience = patience;
  }

  /** Number of units that are not complete. */
  get missing(): number {
    return this.#open.size;
  }

  /**
   * A unit for this worker; `wait` while other workers hold all that is left, `done` when nothing is left.
   *
   * @param mayHave whether the worker may be leased a unit; absent: any
   */
  lease(worker: string, nowMs: number, mayHave?: (unit: number) => boolean): number | 'wait' | 'done' {
    this.heard(worker, nowMs);
    const holder = this.#holders.get(worker);
    if (holder !== undefined) holder.unit = null;
    if (this.#open.size === 0) return 'done';
    const held = this.#held(nowMs);
    for (const unit of this.#open) {
      if (held.has(unit) || mayHave?.(unit) === false) continue;
      this.#holders.set(worker, { unit, heardMs: nowMs, longestMs: holder?.longestMs ?? null });
      return unit;
    }
    return 'wait';
  }

  /** The worker has given a sign of life. */
  heard(worker: string, nowMs: number): void {
    const holder = this.#holders.get(worker);
    if (holder === undefined) return;
    if (holder.unit !== null) holder.longestMs = Math.max(holder.longestMs ?? 0, nowMs - holder.heardMs);
    holder.heardMs = nowMs;
  }

  complete(unit: number): void {
    this.#open.delete(unit);
  }

  /** The unit is to be made once more, after all that are open. */
  reopen(unit: number): void {
    this.#open.add(unit);
  }

  /** The units whose worker has not been silent for too long. */
  #held(nowMs: number): Set<number> {
    const held = new Set<number>();
    for (const { unit, heardMs, longestMs } of this.#holders.values()) {
      const { firstMs, leastMs } = this.#patience;
      const patienceMs = longestMs === null ? firstMs : Math.max(leastMs, patienceFactor * longestMs);
      if (unit !== null && nowMs - heardMs < patienceMs) held.add(unit);
    }
    return held;
  }
}

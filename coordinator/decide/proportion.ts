/**
 * Whether a contribution is out of all proportion, by the run's own history: the gradient's norm of each sample, on
 * average over its block, against those of the blocks that were summed before. It decides nothing but whether another
 * worker is asked: a big gradient may be right, and equal bits show it. Pure.
 */

/** What makes a contribution suspicious. */
export interface ProportionLimits {
  /** Blocks that were summed before any is suspected. */
  readonly leastBlocks: number;
  /** How many times the 0.9-quantile of the blocks before is too much. */
  readonly factor: number;
}

/** What a run suspects, unless a test wants otherwise. */
export const usualProportion: ProportionLimits = { leastBlocks: 16, factor: 100 };

/** So many of the newest blocks are compared with. */
const remembered = 256;

export class Proportion {
  readonly #limits: ProportionLimits | null;
  readonly #norms: number[] = [];

  /** @param limits null: nothing is suspected */
  constructor(limits: ProportionLimits | null) {
    this.#limits = limits;
  }

  /** A block was summed. @param norm its gradient's, per sample; 0 without gradient */
  add(norm: number): void {
    if (this.#limits === null || !Number.isFinite(norm)) return;
    this.#norms.push(norm);
    if (this.#norms.length > remembered) this.#norms.shift();
  }

  /**
   * Why a block's gradient is out of proportion, in words; null where it is not. Nothing at all is, where nine of ten
   * blocks had something.
   */
  doubt(norm: number): string | null {
    if (this.#limits === null || this.#norms.length < this.#limits.leastBlocks) return null;
    const sorted = Float64Array.from(this.#norms).sort();
    const quantile = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
    if (norm === 0) return quantile(0.1) > 0 ? 'its gradient is nothing at all' : null;
    const high = quantile(0.9);
    if (!(norm > this.#limits.factor * high) || high === 0) return null;
    return `its gradient is ${(norm / high).toPrecision(2)} times that of nine in ten blocks before it`;
  }
}

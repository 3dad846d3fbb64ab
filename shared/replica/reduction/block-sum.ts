/**
 * Adds the micro-batches of one aligned block in the order of the reduction tree, as they come, left to right: a binary
 * counter whose digit k holds the sum of 2^k micro-batches. A block of level L needs L + 1 slots. The result equals the
 * tree's recursive sum bit for bit; a micro-batch without gradient passes through.
 */
import { mergeContributions, type Contribution } from './contribution.js';
import type { NormChannels } from './moments.js';

/** What a block is summed in, and how two gradients are added. */
export interface BlockSumOptions {
  /** Gradient buffers to work in, level + 1 of them. */
  readonly slots: readonly number[];
  readonly norms: readonly NormChannels[];
  /** gradient[into] = gradient[into] + gradient[from] */
  readonly addSlots: (into: number, from: number) => void;
}

/** A contribution and where its gradient lies. */
export interface SlottedContribution extends Contribution {
  /** The buffer that holds the sum's gradient; null where it has none. */
  readonly slot: number | null;
}

interface Digit extends SlottedContribution {
  readonly level: number;
}

/** The sum of one block in the making. */
export class BlockSum {
  readonly #options: BlockSumOptions;
  readonly #free: number[];
  /** Sums that wait for a sibling, widest first. */
  readonly #digits: Digit[] = [];

  constructor(options: BlockSumOptions) {
    this.#options = options;
    this.#free = [...options.slots].reverse();
  }

  /**
   * The free slot into which the next micro-batch's gradient is to be written, before `push`.
   *
   * @throws Error when the block has more micro-batches than its slots allow
   */
  nextSlot(): number {
    const slot = this.#free.at(-1);
    if (slot === undefined) throw new Error(`block is wider than its ${this.#options.slots.length} slots allow`);
    return slot;
  }

  /** Takes the next micro-batch; one with a gradient has it in `nextSlot()`. */
  push(microBatch: Contribution): void {
    const slot = microBatch.hasGradient ? this.nextSlot() : null;
    if (slot !== null) this.#free.pop();
    this.#digits.push({ ...microBatch, slot, level: 0 });
    while (this.#digits.length > 1 && this.#digits.at(-1)?.level === this.#digits.at(-2)?.level) this.#mergeLast();
  }

  /**
   * The block's sum, once all its micro-batches are pushed. A block that the end of the batch cuts short has siblings
   * missing on its right; they pass through, so the digits are added from the right.
   *
   * @throws Error when nothing was pushed
   */
  result(): SlottedContribution {
    while (this.#digits.length > 1) this.#mergeLast();
    const [sum] = this.#digits;
    if (sum === undefined) throw new Error('a block has at least one micro-batch');
    return { hasGradient: sum.hasGradient, sums: sum.sums, moments: sum.moments, slot: sum.slot };
  }

  #mergeLast(): void {
    const right = this.#digits.pop();
    const left = this.#digits.pop();
    if (left === undefined || right === undefined) return;
    const merged = mergeContributions(left, right, this.#options.norms);
    this.#digits.push({ ...merged, slot: this.#addGradients(left.slot, right.slot), level: left.level + 1 });
  }

  #addGradients(left: number | null, right: number | null): number | null {
    if (left === null || right === null) return left ?? right;
    this.#options.addSlots(left, right);
    this.#free.push(right);
    return left;
  }
}

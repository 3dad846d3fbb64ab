/**
 * Sums of squares and hashes of what is worked on in parts, each part while it is in the processor's cache: the same
 * values as one pass over the whole would give, without that pass. The kernels keep what is between two parts in a
 * scratch of the replica's memory, which belongs to the one thread that adds and applies.
 */
import type { RunningKernels } from './kernels/kernels.js';
import type { UpdateRange } from './optimizer/update.js';

/** Bytes of scratch: the chains of two hashes, and the pairs of a sum of squares. */
export const scratchBytes = 2 * 192 + 64;

/** The kernels and the scratch, by byte offsets. */
export interface RunningPlace {
  readonly kernels: RunningKernels;
  /** Where the chains of a hash are kept. */
  readonly hash: number;
  /** Where those of another are. */
  readonly otherHash: number;
  /** Where the pairs of a sum are while it goes on. */
  readonly pairs: number;
  /** The same place, 8 values: a view. */
  readonly pairValues: Float64Array;
}

/** @param scratch byte offset of `scratchBytes` bytes of the kernels' memory */
export function runningPlace(kernels: RunningKernels, memory: WebAssembly.Memory, scratch: number): RunningPlace {
  const pairs = scratch + 2 * 192;
  return {
    kernels,
    hash: scratch,
    otherHash: scratch + 192,
    pairs,
    pairValues: new Float64Array(memory.buffer, pairs, 8),
  };
}

/** The sum of squares of a float32 gradient that comes from its beginning on, over what the optimizer moves. */
export class RunningSquares {
  readonly #place: RunningPlace;
  readonly #updates: readonly UpdateRange[];
  readonly #gradient: number;
  /** The pairs of the range that is being summed, between two parts. */
  readonly #held = new Float64Array(8);
  #range = 0;
  /** Floats of the gradient before this one are summed. */
  #done = 0;
  #sum = 0;

  /** @param gradient byte offset of the gradient */
  constructor(place: RunningPlace, updates: readonly UpdateRange[], gradient: number) {
    [this.#place, this.#updates, this.#gradient] = [place, updates, gradient];
  }

  /** The sum so far: it is that of the whole once all of it was there. */
  get sum(): number {
    return this.#sum;
  }

  /** The floats [0, end) of the gradient are there. */
  advance(end: number): void {
    const { pairValues } = this.#place;
    pairValues.set(this.#held);
    for (let range = this.#updates[this.#range]; range !== undefined; range = this.#updates[this.#range]) {
      if (!this.#advanceIn(range, end)) break;
      this.#range++;
      pairValues.fill(0);
    }
    this.#held.set(pairValues);
  }

  /** @returns whether the range is summed to its end */
  #advanceIn({ offset, floats }: UpdateRange, end: number): boolean {
    const { kernels, pairs } = this.#place;
    const from = Math.max(this.#done, offset);
    const at = this.#gradient + 4 * from;
    if (end >= offset + floats) {
      this.#sum += kernels.closeSquares(pairs, at, offset + floats - from);
      this.#done = offset + floats;
      return true;
    }
    // The order of a sum goes by eights from the beginning of its range: the rest waits for the next part.
    const whole = Math.floor((end - from) / 8) * 8;
    if (whole > 0) {
      kernels.addSquares(pairs, at, whole);
      this.#done = from + whole;
    }
    return false;
  }
}

/** A hash of bytes that come in parts, of which every one but the last is a multiple of 128 bytes. */
export class RunningHash {
  readonly #kernels: RunningKernels;
  readonly #state: number;
  #bytes = 0;

  /** @param state where its chains are kept: one of the places' two, which nobody else uses meanwhile */
  constructor(kernels: RunningKernels, state: number) {
    [this.#kernels, this.#state] = [kernels, state];
    kernels.openHash(state);
  }

  /** Takes the next part, at this byte offset. */
  add(at: number, bytes: number): void {
    this.#kernels.addToHash(this.#state, at, bytes);
    this.#bytes += bytes;
  }

  /** Takes the last part, of any length. @returns the hash of all, 16 hex digits */
  close(at: number, bytes: number): string {
    return this.#kernels.closeHash(this.#state, at, bytes, this.#bytes + bytes);
  }
}

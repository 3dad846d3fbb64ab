/**
 * What is taken of a gradient where it is made or where it comes to: hashes of its pieces and its sum of squares, each
 * part while it is in the processor's cache, so that no pass of their own is needed for them.
 */
import type { ArrayKernels } from './kernels/kernels.js';
import { limits } from '../protocol/messages.js';
import { split } from './pieces.js';
import type { ReplicaPlan } from './plan.js';
import { contributionBytes } from './reduction/contribution.js';
import { RunningHash, RunningSquares, type RunningPlace } from './running.js';

/** What is known of a slot's bytes from when they were written there. */
export interface SlotFacts {
  /** Hashes of the first pieces of the contribution, as far as they hold nothing but gradient. */
  readonly hashes: readonly string[];
  /** As `Replica.slotSquares` gives it. */
  readonly squares: number;
}

/** A contribution on its way into a slot. */
export interface IncomingSlot {
  /** Takes the next piece, which lies in its place. @returns its hash */
  take(piece: Uint8Array): string;
  /** All has come. @returns null where gradient or moments are not finite */
  finish(): SlotFacts | null;
}

/** What of a replica facts are taken by. */
export interface FactsOptions {
  readonly plan: ReplicaPlan;
  readonly kernels: Pick<ArrayKernels, 'add'>;
  readonly running: RunningPlace;
  /** Floats that are worked on at a time: a part of a piece. */
  readonly partFloats: number;
}

/** The float32 gradient at byte `into` = the sum of both. @returns what is known of the sum then */
export function addHashed(
  { plan, kernels, running, partFloats }: FactsOptions,
  { into, from }: { readonly into: number; readonly from: number },
): SlotFacts {
  const squares = new RunningSquares(running, plan.updates, into);
  const hashes = split(4 * plan.gradientFloats).map((piece) => {
    const hash = new RunningHash(running.kernels, running.hash);
    let [at, left] = [piece.offset, piece.length];
    for (;;) {
      const bytes = Math.min(left, 4 * partFloats);
      kernels.add(into + at, from + at, bytes / 4);
      squares.advance((at + bytes) / 4);
      if (bytes === left) return hash.close(into + at, bytes);
      hash.add(into + at, bytes);
      [at, left] = [at + bytes, left - bytes];
    }
  });
  return { hashes: gradientAlone(plan, hashes), squares: squares.sum };
}

/** The hashes of pieces that hold no moments: these are written once more before a sum is committed. */
export function gradientAlone(plan: ReplicaPlan, hashes: readonly string[]): readonly string[] {
  if (plan.norms.length === 0) return hashes;
  return hashes.slice(0, Math.floor(contributionBytes({ ...plan, norms: [] }) / limits.pieceBytes));
}

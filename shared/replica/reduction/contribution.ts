/**
 * A contribution: what is summed over a block of micro-batches. Its numbers travel in a header; its bytes, which are
 * the same for a contribution and for a commit, are the gradient (gradientFloats elements, encoding.ts, little-endian,
 * a multiple of 16 bytes) followed by the moments' values (float64). A contribution without gradient has no bytes and
 * no moments.
 */
import type { Compression } from '../../compression.js';
import { gradientBytes } from './encoding.js';
import { momentValues, pool, type NormChannels, type PooledMoments } from './moments.js';

/** All that the layout of a contribution's bytes depends on. A ReplicaPlan has it. */
export interface ContributionShape {
  /** How the run's gradients are rounded. */
  readonly compression: Compression;
  /** Elements of a gradient, padding included. */
  readonly gradientFloats: number;
  /** Batch-norm layers, in the order in which their moments lie. */
  readonly norms: readonly NormChannels[];
}

/** Named sums over samples, in float64. */
export type Sums = Readonly<Record<string, number>>;

/** The header of a contribution: all of it but the gradient's bytes. */
export interface Contribution {
  /** False where no loss term applied to any sample: then it has no moments and no bytes. */
  readonly hasGradient: boolean;
  readonly sums: Sums;
  /** Null without a gradient, and for a student without batch norm. */
  readonly moments: PooledMoments | null;
}

/** left + right by name; a name that only one of them has passes through (zero is never added). */
export function addSums(left: Sums, right: Sums): Record<string, number> {
  const sums: Record<string, number> = { ...left };
  for (const [name, value] of Object.entries(right)) {
    const held = sums[name];
    sums[name] = held === undefined ? value : held + value;
  }
  return sums;
}

/**
 * left + right in all but the gradients, which the holder of the slots adds where both sides have one.
 */
export function mergeContributions(
  left: Contribution,
  right: Contribution,
  norms: readonly NormChannels[],
): Contribution {
  return {
    hasGradient: left.hasGradient || right.hasGradient,
    sums: addSums(left.sums, right.sums),
    moments: pool(left.moments, right.moments, norms),
  };
}

/**
 * Bytes of a contribution or a commit with a gradient.
 *
 * @param compression another than the plan's for a commit from before it was changed
 */
export function contributionBytes(shape: ContributionShape, compression: Compression = shape.compression): number {
  return gradientBytes(compression, shape.gradientFloats) + 8 * momentValues(shape.norms);
}

/** The moments' values in a contribution's bytes, which must start on a multiple of 8. A view. */
export function momentsView(
  shape: ContributionShape,
  bytes: Uint8Array,
  compression: Compression = shape.compression,
): Float64Array {
  return new Float64Array(
    bytes.buffer,
    bytes.byteOffset + gradientBytes(compression, shape.gradientFloats),
    momentValues(shape.norms),
  );
}

/** Copies the moments out of a contribution's bytes; null for a student without batch norm. */
export function readMoments(
  shape: ContributionShape,
  bytes: Uint8Array,
  counts: readonly number[],
  compression?: Compression,
): PooledMoments | null {
  if (shape.norms.length === 0) return null;
  return { counts: [...counts], values: Float64Array.from(momentsView(shape, bytes, compression)) };
}

/** Writes the moments into a contribution's bytes, behind the gradient. */
export function writeMoments(
  shape: ContributionShape,
  bytes: Uint8Array,
  moments: PooledMoments | null,
  compression?: Compression,
): void {
  if (moments !== null) momentsView(shape, bytes, compression).set(moments.values);
}

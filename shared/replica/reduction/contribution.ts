/**
 * A contribution: what is summed over a block of micro-batches. Its numbers travel in a header; its bytes, which are
 * the same for a contribution and for a commit, are the gradient (gradientFloats elements, encoding.ts, little-endian,
 * a multiple of 16 bytes) followed by the moments' values (float64). A contribution without gradient has no bytes and
 * no moments.
 */
import type { NormLayer, ReplicaPlan } from '../plan.js';
import { gradientBytes, type Compression } from './encoding.js';
import { momentValues, pool, type PooledMoments } from './moments.js';

export type Sums = Readonly<Record<string, number>>;

export interface Contribution {
  readonly hasGradient: boolean;
  /** Named sums over samples, in float64. */
  readonly sums: Sums;
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

/** All but the gradients, whose addition the holder of the slots does when both sides have one. */
export function mergeContributions(left: Contribution, right: Contribution, norms: readonly NormLayer[]): Contribution {
  return {
    hasGradient: left.hasGradient || right.hasGradient,
    sums: addSums(left.sums, right.sums),
    moments: pool(left.moments, right.moments, norms),
  };
}

/** @param compression another than the plan's for a commit from before it was changed */
export function contributionBytes(plan: ReplicaPlan, compression: Compression = plan.compression): number {
  return gradientBytes(compression, plan.gradientFloats) + 8 * momentValues(plan.norms);
}

/** The moments' values in a contribution's bytes, which must start on a multiple of 8. A view. */
export function momentsView(
  plan: ReplicaPlan,
  bytes: Uint8Array,
  compression: Compression = plan.compression,
): Float64Array {
  return new Float64Array(
    bytes.buffer,
    bytes.byteOffset + gradientBytes(compression, plan.gradientFloats),
    momentValues(plan.norms),
  );
}

/** Copies the moments out of a contribution's bytes; null for a student without batch norm. */
export function readMoments(
  plan: ReplicaPlan,
  bytes: Uint8Array,
  counts: readonly number[],
  compression?: Compression,
): PooledMoments | null {
  if (plan.norms.length === 0) return null;
  return { counts: [...counts], values: Float64Array.from(momentsView(plan, bytes, compression)) };
}

/** Writes the moments into a contribution's bytes, behind the gradient. */
export function writeMoments(
  plan: ReplicaPlan,
  bytes: Uint8Array,
  moments: PooledMoments | null,
  compression?: Compression,
): void {
  if (moments !== null) momentsView(plan, bytes, compression).set(moments.values);
}

/** The byte offsets of everything in a replica's memory, from its plan and its number of slots (drawn in plan.ts). */
import { compressions, type Compression } from '../compression.js';
import type { ReplicaPlan } from './plan.js';
import { contributionBytes } from './reduction/contribution.js';
import { blockFloats } from './reduction/encoding.js';
import { scratchBytes } from './running.js';

/** Byte offsets in the memory, all multiples of 16. */
export interface ReplicaLayout {
  readonly weights: number;
  /** Where each of the optimizer's moments begins. */
  readonly moments: readonly number[];
  /** Where the averaged weights lie, or would lie if the optimizer kept them. */
  readonly ema: number;
  readonly frozen: number;
  readonly moving: number;
  /** This commit's batch statistics, laid out as the moving values. */
  readonly statistics: number;
  /**
   * The first slot. The last one is long enough for a contribution of any encoding: a log may hold commits from before
   * the run's compression was changed, and replicas read them there.
   */
  readonly slots: number;
  /** Bytes from one slot to the next. */
  readonly slotStride: number;
  /** The window in which a piece of a rounded gradient becomes float32 again. */
  readonly window: number;
  /** Floats of the window. */
  readonly windowFloats: number;
  /**
   * Where slots hold rounded gradients: a micro-batch's own gradient in float32, before it is rounded into its slot.
   */
  readonly leaf: number;
  /** What hashes and sums in the making are kept in (running.ts). */
  readonly scratch: number;
  /** Length of the whole memory in bytes. */
  readonly end: number;
}

/** The largest window, 64 KiB: a piece stays in the processor's cache until it is used. */
const maximumWindowFloats = 128 * blockFloats;

/**
 * Places everything that a plan names in a replica's memory.
 *
 * @param slots gradient buffers; the last one has room for every encoding
 */
export function layoutReplica(plan: ReplicaPlan, slots: number): ReplicaLayout {
  const region = 4 * plan.gradientFloats;
  const ema = region * (1 + plan.moments);
  const frozen = ema + (plan.hasEma ? region : 0);
  const firstSlot = plan.stateBytes + 4 * plan.movingFloats;
  const slotStride = strideOf(plan, plan.compression);
  const lastSlot = firstSlot + Math.max(0, slots - 1) * slotStride;
  const window = lastSlot + Math.max(...compressions.map((compression) => strideOf(plan, compression)));
  const windowFloats = Math.min(maximumWindowFloats, plan.gradientFloats);
  const leaf = window + 4 * windowFloats;
  const scratch = leaf + (plan.compression === 'none' ? 0 : strideOf(plan, 'none'));
  return {
    weights: 0,
    moments: Array.from({ length: plan.moments }, (_, i) => region * (i + 1)),
    ema,
    frozen,
    moving: frozen + 4 * plan.frozenFloats,
    statistics: plan.stateBytes,
    slots: firstSlot,
    slotStride,
    window,
    windowFloats,
    leaf,
    scratch,
    end: scratch + scratchBytes,
  };
}

function strideOf(plan: ReplicaPlan, compression: Compression): number {
  return Math.ceil(contributionBytes(plan, compression) / 16) * 16;
}

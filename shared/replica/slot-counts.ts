/**
 * How many slots for gradients replicas have: what a step cannot do without, and what lets the next one begin while one
 * is still being sent, as far as one memory holds them. Pure, so that a recipe can be refused before it runs.
 */
import { exitCodes, UserError } from '../errors.js';
import { limits } from '../protocol/messages.js';
import { maximumBytes } from './kernels/memory.js';
import { layoutReplica } from './layout.js';
import type { ReplicaPlan } from './plan.js';
import { contributionBytes } from './reduction/contribution.js';
import { microBatchCount, rootOf } from './reduction/tree.js';

/** `batch` of the recipe. */
interface Batch {
  readonly size: number;
  /** Default: the whole batch. */
  readonly micro?: number | undefined;
}

/** The coordinator's slots. */
export interface CoordinatorSlots {
  /** Those that contributions are given. */
  readonly contributions: number;
  /** All of its gradient buffers: commits that are still being sent have the rest. */
  readonly buffers: number;
}

/** A relay's slots. */
export interface RelaySlots {
  /** Those that contributions are given. */
  readonly contributions: number;
  /** All of its replica's: also those of contributions on their way upwards, and the last, for commits. */
  readonly slots: number;
}

/** Slots for contributions that come before their neighbours: small students can afford more. */
const earlySlots = { small: 16, big: 2 };
/** Buffers for commits that channels still send from while the next step fills. */
const retiredBuffers = 2;
/** Slots of a relay for what it has merged and not sent yet. */
const leavingSlots = { least: 1, most: 2 };
/** A worker's slots beyond what one block needs: the trainer computes on while a contribution is being sent. */
const spareSlots = 1;

/**
 * Slots of the coordinator: for the leftmost prefix of the tree, for early contributions, and for commits on their way,
 * of which a student so large that memory is short has fewer, one at least.
 *
 * @throws UserError 65 when one memory cannot hold what a step needs
 */
export function coordinatorSlots(plan: ReplicaPlan, batch: Batch): CoordinatorSlots {
  const needed = widestBlock(batch);
  // A small commit is copied out of its buffer before it is sent.
  if (contributionBytes(plan) <= limits.pieceBytes) {
    const contributions = needed + earlySlots.small;
    return { contributions, buffers: contributions };
  }
  const most = needed + earlySlots.big + retiredBuffers;
  const buffers = Math.min(most, expectRoom(plan, batch, needed + 1));
  const early = Math.max(0, buffers - needed - retiredBuffers);
  return { contributions: needed + early, buffers };
}

/**
 * Slots of a worker: for the widest block, which is the whole batch, one to compute on in where there is room, and one
 * that commits are held in.
 *
 * @throws UserError 65 when one memory cannot hold what a step needs
 */
export function workerSlots(plan: ReplicaPlan, batch: Batch): number {
  const needed = widestBlock(batch) + 1;
  return Math.min(needed + spareSlots, expectRoom(plan, batch, needed));
}

/**
 * Slots of a relay: those that contributions of its workers are merged in, as a coordinator has them, two for what is on
 * its way upwards, of which a large student has one, and one that commits are held in.
 *
 * @throws UserError 65 when one memory cannot hold what a step needs
 */
export function relaySlots(plan: ReplicaPlan, batch: Batch): RelaySlots {
  const needed = widestBlock(batch);
  const isSmall = contributionBytes(plan) <= limits.pieceBytes;
  const early = isSmall ? earlySlots.small : earlySlots.big;
  const most = needed + early + leavingSlots.most + 1;
  const slots = Math.min(most, expectRoom(plan, batch, needed + leavingSlots.least + 1));
  const contributions = Math.max(needed, slots - 1 - leavingSlots.most);
  return { contributions, slots };
}

/** Bytes of a replica's memory with so many slots. */
export function replicaBytes(plan: ReplicaPlan, slots: number): number {
  return layoutReplica(plan, slots).end;
}

function widestBlock({ size, micro = size }: Batch): number {
  return rootOf(microBatchCount(size, micro)).level + 1;
}

/** @returns how many slots one memory holds, which are `needed` at least */
function expectRoom(plan: ReplicaPlan, { size, micro = size }: Batch, needed: number): number {
  const bytes = replicaBytes(plan, needed);
  if (bytes > maximumBytes) {
    const m = microBatchCount(size, micro);
    const less = m === 1 ? '' : `; fewer micro-batches a step (batch.micro above ${micro}) need fewer gradients`;
    throw new UserError(
      `student: ${plan.stateBytes} bytes of state and ${needed} gradients, for ${m} micro-batches a step, need ${bytes} bytes; a replica holds at most ${maximumBytes}${less}`,
      exitCodes.data,
    );
  }
  return needed + Math.floor((maximumBytes - bytes) / layoutReplica(plan, needed).slotStride);
}

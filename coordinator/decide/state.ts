/** What the core remembers of workers, leases and the blocks that they are for. */
import type { Block } from '../../shared/replica/reduction/tree.js';
import type { HeldShards } from './held-shards.js';
import type { RoundTrip } from '../../shared/protocol/round-trip.js';
import type { Slot, Unit, WorkerId } from './types.js';

/** Units whose micro-batches cost alike: training, or the evaluation of one subject. */
export type CostClass = 'train' | 'student' | 'teachers';

/** The kind of work that a unit is: units of one kind cost a worker about as much for each micro-batch. */
export function costClassOf(unit: Unit): CostClass {
  return unit.kind === 'train' ? 'train' : (unit.subject ?? 'student');
}

/**
 *   computing -> offered -> pulled -> accepted       counts when its unit is committed
 *        \___________\________\______________________ returned: it counts for nothing
 */
export type LeaseState = 'computing' | 'offered' | 'pulled' | 'accepted' | 'returned';

/** One lease: a block that one worker is to compute. Times are milliseconds of the events' clock. */
export interface LeaseRecord {
  readonly id: number;
  readonly worker: WorkerRecord;
  readonly assignment: Assignment;
  state: LeaseState;
  /** When the worker could begin: when its lease had been sent and its unit was open. */
  startedMs: number;
  /** The lease's deadline. After it the block is leased elsewhere as well. */
  lateMs: number;
  /** When it is held against its worker's connection that nothing came; later than `lateMs` for a newcomer. */
  missedMs: number;
  /** What stands for the offered contribution's bits; empty before the offer. */
  digest: string;
  /** Bytes of the contribution; 0 without a gradient. */
  bytes: number;
  /** The gradient's norm, per sample; null before the bytes are here, or where it is not known. */
  norm: number | null;
  /** The slot where the contribution is being put, or lies; null before it is pulled. */
  slot: Slot | null;
}

/** A block that is leased, as a whole, to one worker or more. */
export interface Assignment {
  readonly unit: Unit;
  readonly block: Block;
  /** The block's micro-batches, as a half-open range [from, to). */
  readonly from: number;
  readonly to: number;
  /** Leases that may still bring the block's contribution. */
  readonly leases: Set<LeaseRecord>;
  /** Workers that could not compute it, once for every time. */
  readonly failedBy: WorkerRecord[];
  /** The teacher that failed, for each entry of `failedBy`; null where there was another reason. */
  readonly blamed: (string | null)[];
  failure: string;
  /** When it failed first; null before. */
  failedMs: number | null;
  /** Workers that were late with it. */
  readonly lateAt: Set<WorkerId>;
  /** The first digest that was offered for it. */
  digest: { readonly value: string; readonly worker: WorkerId } | null;
  isComplete: boolean;
  /** Null where the block is not audited. */
  audit: Audit | null;
}

/** What is known of a block that more than one worker computes. */
export interface Audit {
  /** In the order of their coming. */
  readonly answers: {
    readonly worker: WorkerId;
    readonly process: string;
    readonly origin: string;
    readonly digest: string;
  }[];
  /** The digest of the contribution that counts; null before it is known. */
  settled: string | null;
  /** The digest of a contribution that was out of proportion, for which the block is audited; null for another reason. */
  readonly suspect: string | null;
}

/** One connection of a worker. Times are milliseconds of the events' clock. */
export interface WorkerRecord {
  readonly id: WorkerId;
  /** The process behind the connection, kept over reconnects. */
  readonly process: string;
  /** The host and token behind the process. */
  readonly origin: string;
  /** What its bits depend on: those of workers of the same are equal. */
  numerics: string;
  isReady: boolean;
  heardMs: number;
  /** How long a message and its answer take on this connection; null before anything was measured. */
  roundTrip: RoundTrip | null;
  /** The trainer's own counter, and when it moved last. */
  progress: number;
  movedMs: number;
  /**
   * Leases that came back late and without an answer since the last one that was answered, and the deadline of the
   * first of them.
   */
  missed: number;
  missedSinceMs: number;
  /** Measured milliseconds for each micro-batch, by kind of work. */
  readonly costMs: Map<CostClass, number>;
  /** Milliseconds from a lease to its offer that were not spent computing. */
  overheadMs: number;
  /** The shards of the leases that it was given. */
  readonly holds: HeldShards;
  /** The lease of the open unit that the worker computes. */
  current: LeaseRecord | null;
  /** The lease of the next unit that the worker may prepare. */
  tentative: LeaseRecord | null;
  /** The worker's leases that are neither accepted nor returned. */
  readonly leases: Set<LeaseRecord>;
}

/** Whether the worker could not compute the block: its process, under whatever connection. */
export function hasFailed(assignment: Assignment, { process }: WorkerRecord): boolean {
  return assignment.failedBy.some((other) => other.process === process);
}

/** The number of the assignment's micro-batches. */
export function sizeOf(assignment: Pick<Assignment, 'from' | 'to'>): number {
  return assignment.to - assignment.from;
}

/** Names a block in messages, such as `micro-batches 4..7 of step 12`. */
export function nameOf({ unit, from, to }: Assignment): string {
  const range = to - from === 1 ? `micro-batch ${from}` : `micro-batches ${from}..${to - 1}`;
  return `${range} of ${nameOfUnit(unit)}`;
}

/** The unit in words, for messages to the user. */
export function nameOfUnit(unit: Unit): string {
  return unit.kind === 'train'
    ? `step ${unit.step}`
    : `the ${unit.subject ?? 'student'} evaluation at step ${unit.step}`;
}

/**
 * What the pure core hears (events) and says (commands). No I/O, no clock: time comes in as `nowMs`.
 * The shell (../run.ts) turns sockets, clock and disk into events and carries out commands in order.
 */
import type { Block } from '../../shared/replica/reduction/tree.js';
import type { ProportionLimits } from './proportion.js';

/** Short name of an admitted connection, new for every admission: `w1`, `w2`, ... */
export type WorkerId = string;
/** Index of a gradient buffer of the coordinator. */
export type Slot = number;

/**
 * One entry of the run's plan: a training step, or an evaluation between steps. Committed in order, one journal line
 * each.
 */
export interface Unit {
  readonly kind: 'train' | 'evaluate';
  readonly subject?: 'student' | 'teachers';
  /** Training steps committed before this unit; the position of the weights that it uses. */
  readonly step: number;
  readonly epoch: number;
  /** Half-open range in the epoch's order of samples (train) or in the evaluation set (evaluate). */
  readonly from: number;
  readonly to: number;
  /** The number of micro-batches, M in the formulas. */
  readonly microBatches: number;
}

/** An event with the time at which it is heard. */
export type Event = { readonly nowMs: number } & UntimedEvent;

/** What has happened, before the run adds the time. */
export type UntimedEvent =
  /**
   * A worker was admitted and welcomed; it cannot be leased to yet. `process`: its own name, the same over reconnects.
   * `origin`: the host and the token that it comes with, which it cannot choose; absent: one of its own.
   */
  | { readonly type: 'join'; readonly worker: WorkerId; readonly process?: string; readonly origin?: string }
  /** A worker has caught up with `step` and its numerics were probed, so it may be leased to. */
  | {
      readonly type: 'ready';
      readonly worker: WorkerId;
      readonly step: number;
      readonly stateHash: string;
      /** What its bits depend on; absent: nothing, as of all workers alike. */
      readonly numerics?: string;
    }
  /**
   * Something arrived; `progress` is the trainer's own counter. `rttMs`: a round trip that the worker measured since.
   */
  | {
      readonly type: 'heard';
      readonly worker: WorkerId;
      readonly progress: number;
      readonly rttMs?: number | undefined;
    }
  /**
   * A contribution's header arrived. `digest` stands for all of it. `computeSeconds`: what the worker spent on it. `bytes` 0: no gradient, nothing
   * to pull.
   */
  | {
      readonly type: 'offer';
      readonly worker: WorkerId;
      readonly lease: number;
      readonly step: number;
      readonly stateHash: string;
      readonly digest: string;
      readonly bytes: number;
      readonly computeSeconds: number;
    }
  /**
   * All bytes of a pulled contribution lie in its slot and their digest is right and they are finite. `norm`: its
   * gradient's, divided by the samples of its block; absent: not known.
   */
  | { readonly type: 'received'; readonly worker: WorkerId; readonly lease: number; readonly norm?: number }
  /**
   * The lease could not be computed, or its bytes were not finite. `microBatch`: the number in the step
   * of the one that failed, where known. `teacher`: the one that could not label it.
   */
  | {
      readonly type: 'failed';
      readonly worker: WorkerId;
      readonly lease: number;
      readonly reason: string;
      readonly microBatch?: number | undefined;
      readonly teacher?: string | undefined;
    }
  /** The worker's state after `step` steps has another hash than `wanted`, the run's. */
  | {
      readonly type: 'differs';
      readonly worker: WorkerId;
      readonly step: number;
      readonly stateHash: string;
      readonly wanted: string;
    }
  /** `isFault`: it was sent away since it broke a rule. */
  | { readonly type: 'leave'; readonly worker: WorkerId; readonly reason: string; readonly isFault?: boolean }
  /**
   * The `commit` command's work is done: applied to the coordinator's replica, log and journal fsynced. `isSkipped`:
   * no update came of it, for a failure.
   */
  | {
      readonly type: 'committed';
      readonly unit: number;
      readonly stateHash: string;
      readonly isSkipped: boolean;
      readonly stopEarly: boolean;
    }
  | { readonly type: 'stop'; readonly reason: string }
  | { readonly type: 'tick' };

/** The events that the cores of a coordinator and of a relay hear alike. */
export type WorkerEvent = Extract<
  UntimedEvent,
  { type: 'heard' | 'offer' | 'received' | 'failed' | 'differs' | 'leave' | 'tick' }
>;

/** What the shell is to do. Commands are carried out in the order in which they were given. */
export type Command =
  /** Send the lease. `id` is unique within a generation. `dropped`: the teachers that it is to be computed without. */
  | {
      readonly type: 'lease';
      readonly worker: WorkerId;
      readonly id: number;
      readonly unit: Unit;
      readonly block: Block;
      readonly dropped: readonly string[];
    }
  | { readonly type: 'cancel'; readonly worker: WorkerId; readonly id: number; readonly reason: string }
  /** Take the contribution's bytes into the slot (at once if they came inline), then report `received`. */
  | { readonly type: 'pull'; readonly worker: WorkerId; readonly id: number; readonly slot: Slot }
  /** The received contribution is not summed yet: its slot is free, and it may be pulled once more. */
  | { readonly type: 'setAside'; readonly worker: WorkerId; readonly id: number }
  /** An accepted contribution with no bytes: keep its sums under the slot without a gradient. */
  | { readonly type: 'accept'; readonly worker: WorkerId; readonly id: number; readonly slot: Slot }
  /** into = into + from, gradient, sums and moments alike (`into` is the left sibling); `from` is free afterwards. */
  | { readonly type: 'merge'; readonly into: Slot; readonly from: Slot }
  | { readonly type: 'free'; readonly slot: Slot }
  /**
   * The unit's root lies in the slot (null: a skip). Check, apply, log, fsync, then `committed`; the slot is free from
   * then on. `skips`: steps in a row before it that had no update. `dropped`: the teachers that it was computed
   * without.
   */
  | {
      readonly type: 'commit';
      readonly index: number;
      readonly unit: Unit;
      readonly slot: Slot | null;
      readonly skip: boolean;
      readonly skips: number;
      readonly dropped: readonly string[];
      readonly reason: string;
    }
  /**
   * From this unit on the run goes on without the teacher; all that was computed of the unit with it was let go, and
   * the unit is open anew.
   */
  | { readonly type: 'drop'; readonly teacher: string; readonly unit: Unit; readonly reason: string }
  /**
   * An audit has found contributions with different bits. `lie`: two agree against these workers, which are turned away.
   * `undecided`: nobody could decide between these.
   */
  | {
      readonly type: 'audit';
      readonly assignment: { readonly step: number; readonly from: number; readonly to: number };
      readonly outcome: 'lie' | 'undecided';
      readonly workers: readonly { readonly worker: WorkerId; readonly process: string }[];
      readonly text: string;
    }
  /** Journalled: tell every worker to apply. */
  | { readonly type: 'release'; readonly step: number; readonly stateHash: string }
  /** The worker's replica differs from the coordinator's: it is gone, and may join again from a snapshot. */
  | { readonly type: 'resync'; readonly worker: WorkerId; readonly reason: string }
  /** Close this connection; the worker is gone. */
  | { readonly type: 'dismiss'; readonly worker: WorkerId; readonly code: number; readonly reason: string }
  /**
   * The plan is finished, or a stop was asked for and the open unit is settled; `rebuild`: the coordinator's replica is
   * wrong.
   */
  | { readonly type: 'finish'; readonly outcome: 'done' | 'stopped' | 'failed' | 'rebuild'; readonly reason: string }
  /** A line for the user. One that says what the run waits for is emitted only when that changes. */
  | { readonly type: 'say'; readonly level: 'info' | 'warn' | 'error'; readonly text: string };

/** What becomes of the run when a teacher fails. */
export interface TeacherPolicy {
  readonly onFailure: 'stop' | 'drop';
  /** Teachers that label every sample; the last of them is never dropped. */
  readonly teachers: readonly string[];
  /** Whether the recipe could say drop, as far as its number of teachers allows it. Default: it could. */
  readonly mayDrop?: boolean;
  /** Teachers that the run goes on without, by its journal. */
  readonly dropped: readonly string[];
}

/** What a core is made from: the plan of units, where the run stands, and the limits. */
export interface DecideConfig {
  /** The unit after `index`, or undefined at the end of the plan. Pure. */
  readonly unitAt: (index: number) => Unit | undefined;
  /** Index of the first unit to run (after a resume: the one after the last journalled). */
  readonly firstUnit: number;
  /** Hash of the coordinator's replica at the start. */
  readonly stateHash: string;
  /** The replica was rebuilt already in this process, so workers that differ from it are wrong, however many agree. */
  readonly isRebuilt?: boolean | undefined;
  /** Training steps without an update, in a row, that the journal ends with. */
  readonly skips: number;
  /**
   * Numbers of the shards that micro-batches [from, to) of a unit read, each once; absent: it makes no difference who
   * computes what. Pure.
   */
  readonly shardsOf?: ((unit: Unit, from: number, to: number) => readonly number[]) | undefined;
  /** What becomes of the run when a teacher fails; absent: it stops. */
  readonly policy?: TeacherPolicy | undefined;
  /** Gradient buffers: the leftmost prefix's and those for early contributions. */
  readonly slots: number;
  /** Bytes of a contribution, for the price of an upload. */
  readonly contributionBytes: number;
  /** Nothing from a worker for so long, and for what an answer of it may take: it is gone. */
  readonly silenceMs: number;
  /** A lease without an offer for so long before anything was measured (kernels compile at first use). */
  readonly firstLeaseMs: number;
  /**
   * A block that failed where nobody has proved itself is not given up for so long, for another host to try it; 0:
   * there can be none.
   */
  readonly secondOpinionMs?: number;
  /** Which blocks two workers are to compute; absent: none. Pure, and not known to workers. */
  readonly audits?: { readonly isChosen: (unit: Unit, block: Block) => boolean } | undefined;
  /** When a contribution is out of proportion, so that another worker is to compute its block; absent: never. */
  readonly proportion?: ProportionLimits | undefined;
}

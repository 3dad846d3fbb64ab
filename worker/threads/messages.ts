/**
 * What the link (worker thread) and the trainer (main thread) of one worker tell each other. Bulk never travels in
 * these messages: gradients and weights lie in the replica's shared memory. A `contribution` passes the ownership of
 * its slot to the link, and `slot` passes it back; who owns a slot alone may read or write it. The integers that both
 * threads see at once are in control.ts.
 *
 *   link                      trainer
 *     begin            ->                 build student and ensemble for this run, then probe
 *                      <-        built    with the probe's digest; unbuilt where it holds no more (a relay's)
 *     weights          ->                 the replica is at `step` now
 *     lease / cancel   ->
 *                      <-        contribution (its slot passes to the link) / failed
 *     slot             ->                 the slot passes back
 *                      <-        needSlots / fetch
 *                      <-        spans    what it did, where the run is traced
 *     fetched / fetchFailed ->
 *     disconnected     ->                 every lease is gone
 *     log              ->                 a line for the user
 *                      <-        leave    the worker is to leave the run
 *     end              ->                 the worker's last message
 */
import type { EndedBefore } from '../../shared/protocol/ended-before.js';
import type { ExitCode } from '../../shared/errors.js';
import type { Device, Lease, Up } from '../../shared/protocol/messages.js';
import type { WorkerTls } from '../../shared/tls/certificates.js';
import type { WorkerSpan } from '../../shared/trace/spans.js';
import type { RunDefinition } from '../compute/contract.js';

/** One run as the trainer needs it. */
export interface Begin extends RunDefinition {
  readonly type: 'begin';
  /** Number of the run among those of this worker. Messages with an older number are dropped. */
  readonly runNumber: number;
  /** Path of the state at step 0, for the numerics probe. */
  readonly initialPath: string;
  readonly memory: WebAssembly.Memory;
  /** Number of the replica's slots in that memory, and the slots that the trainer owns at the start. */
  readonly slots: number;
  readonly trainerSlots: readonly number[];
}

/** What the trainer has found out about this worker's numerics before its first lease. */
export interface Probe {
  readonly digest: string;
  readonly repeatable: boolean;
  /** What the bits depend on here: library and kind of processor; absent where any give the same. */
  readonly numerics?: string | undefined;
  /** Why there is no digest, where a teacher could not label the micro-batch. */
  readonly failed?: string | undefined;
}

/** A computed lease. */
export interface ComputedLease {
  readonly lease: number;
  readonly step: number;
  /** Hash of the state that the student's weights were copied from. */
  readonly stateHash: string;
  /** The slot with the gradient, which belongs to the link until it comes back with `slot`; null without gradient. */
  readonly slot: number | null;
  readonly sums: Readonly<Record<string, number>>;
  readonly momentCounts: readonly number[];
  /** Seconds spent, by phase. */
  readonly seconds: Readonly<Record<string, number>>;
}

/** Why a lease could not be computed. */
export interface Failure {
  readonly microBatch: number;
  readonly reason: string;
  /** The teacher that failed, where one did. */
  readonly teacher?: string | undefined;
}

/** Where a worker stands when it says something. */
export interface LogPlace {
  /** Its process, as the coordinator names it. */
  readonly worker: string;
  /** The run's name; absent before it joined one. */
  readonly run?: string;
  /** Commits that its replica holds. */
  readonly step?: number;
}

export type ToTrainer =
  | Begin
  /** The replica is at `step` now. */
  | { readonly type: 'weights'; readonly runNumber: number; readonly step: number }
  | { readonly type: 'lease'; readonly runNumber: number; readonly lease: Lease }
  | { readonly type: 'cancel'; readonly runNumber: number; readonly lease: number }
  /** The connection is gone and with it every lease; the replica stays. */
  | { readonly type: 'disconnected'; readonly runNumber: number }
  /** The slot is the trainer's again. */
  | { readonly type: 'slot'; readonly runNumber: number; readonly slot: number }
  | { readonly type: 'fetched'; readonly sha256: string; readonly path: string }
  | { readonly type: 'fetchFailed'; readonly sha256: string; readonly message: string; readonly exitCode: ExitCode }
  | { readonly type: 'log'; readonly text: string; readonly place: LogPlace }
  | { readonly type: 'end'; readonly exitCode: ExitCode; readonly message: string | null };

export type ToLink =
  | ({ readonly type: 'built'; readonly runNumber: number } & Probe)
  | ({ readonly type: 'contribution'; readonly runNumber: number } & ComputedLease)
  | ({ readonly type: 'failed'; readonly runNumber: number; readonly lease: number } & Failure)
  /** Whoever computes is gone: the leases go back, and the worker is not ready before the next `built`. */
  | { readonly type: 'unbuilt'; readonly runNumber: number; readonly reason: string }
  /** The trainer waits for slots: the link moves what it keeps in slots to the heap. */
  | { readonly type: 'needSlots'; readonly runNumber: number }
  /** The trainer needs this artifact on the disk. */
  | { readonly type: 'fetch'; readonly sha256: string }
  /** What the trainer did, of a run that is traced, and how many spans more it did not keep. */
  | { readonly type: 'spans'; readonly runNumber: number; readonly spans: readonly WorkerSpan[]; readonly lost: number }
  /** What this process has said last, for the coordinator where the link finds that the worker fails. */
  | { readonly type: 'said'; readonly lines: readonly string[] }
  /** The worker is to leave the run, for this reason. */
  | { readonly type: 'leave'; readonly reason: string; readonly failure?: LastWords };

/** That a worker leaves since it failed: the exit code that it ends with, and what it said last. */
export type LastWords = NonNullable<Up<'leave'>['failure']>;

/** What the link's thread is started with (its `workerData`). */
export interface LinkStart {
  readonly url: string;
  /** Addresses to go to, in this order, where that one is lost or refuses; then it is its turn again. */
  readonly further?: readonly string[] | undefined;
  readonly token: string | null;
  /** Absent: what the address says alone. */
  readonly tls?: WorkerTls | undefined;
  readonly cacheFolder: string;
  readonly waitSeconds: number;
  /** Where files lie that are shared with a coordinator of this host; null: none are. */
  readonly memoryFolder: string | null;
  readonly device: Device;
  /** How the process before this one was killed; absent or null: nothing is to be told of one. */
  readonly before?: EndedBefore | null;
  /** SHA-256 of the plug-ins that are installed, by name; null where nothing is computed here. */
  readonly plugins: Readonly<Record<string, string>> | null;
  /** The control words of this worker. */
  readonly control: SharedArrayBuffer;
}

/**
 * What the link (worker thread) and the trainer (main thread) of one worker tell each other, and the few integers that
 * both see at once. Bulk never travels in these messages: gradients and weights lie in the replica's shared memory, and
 * a message passes their ownership.
 *
 *   link                      trainer
 *     begin            ->                 build student and ensemble for this run, then probe
 *                      <-        built    with the probe's digest
 *     weights          ->                 the replica is at `step` now
 *     lease / cancel   ->
 *                      <-        contribution (its slot passes to the link) / failed
 *     slot             ->                 the slot passes back
 *                      <-        needSlots / fetch
 *     fetched / fetchFailed ->
 *     end              ->                 the worker's last message
 */
import type { ExitCode } from '../shared/errors.js';
import type { Device, Lease, TeacherSpec } from '../shared/protocol/messages.js';
import type { StudentSpec } from '../shared/models/student-spec.js';
import type { Manifest } from '../shared/data/manifest.js';
import type { Recipe } from '../shared/recipe/schema.js';

/** One run as the trainer needs it. All files lie on this machine's disk already, but for the data shards. */
export interface Begin {
  readonly type: 'begin';
  /** Counts the runs of this worker; messages of an older one are dropped. */
  readonly session: number;
  readonly recipe: Recipe;
  readonly spec: StudentSpec;
  readonly teachers: readonly TeacherSpec[];
  readonly manifest: Manifest;
  /** Teachers' files by SHA-256. */
  readonly files: ReadonlyMap<string, string>;
  /** The state at step 0, for the numerics probe. */
  readonly initialPath: string;
  readonly memory: WebAssembly.Memory;
  /** Slots of the replica in that memory, and those that the trainer owns at the start. */
  readonly slots: number;
  readonly trainerSlots: readonly number[];
}

export interface Probe {
  readonly digest: string;
  readonly repeatable: boolean;
  /** Why there is none, where a teacher could not label the micro-batch. */
  readonly failed?: string | undefined;
}

/** A computed lease. `slot` (null without gradient) belongs to the link until it comes back with `slot`. */
export interface ComputedLease {
  readonly lease: number;
  readonly step: number;
  /** Hash of the state that the student's weights were copied from. */
  readonly stateHash: string;
  readonly slot: number | null;
  readonly sums: Readonly<Record<string, number>>;
  readonly momentCounts: readonly number[];
  readonly seconds: Readonly<Record<string, number>>;
}

/** Why a lease could not be computed; `teacher`: since that one failed. */
export interface Failure {
  readonly microBatch: number;
  readonly reason: string;
  readonly teacher?: string | undefined;
}

export type ToTrainer =
  | Begin
  | { readonly type: 'weights'; readonly session: number; readonly step: number }
  | { readonly type: 'lease'; readonly session: number; readonly lease: Lease }
  | { readonly type: 'cancel'; readonly session: number; readonly lease: number }
  /** The connection is gone and with it every lease; the replica stays. */
  | { readonly type: 'disconnected'; readonly session: number }
  | { readonly type: 'slot'; readonly session: number; readonly slot: number }
  | { readonly type: 'fetched'; readonly sha256: string; readonly path: string }
  | { readonly type: 'fetchFailed'; readonly sha256: string; readonly message: string; readonly exitCode: ExitCode }
  | { readonly type: 'log'; readonly text: string }
  | { readonly type: 'end'; readonly exitCode: ExitCode; readonly message: string | null };

export type ToLink =
  | ({ readonly type: 'built'; readonly session: number } & Probe)
  | ({ readonly type: 'contribution'; readonly session: number } & ComputedLease)
  | ({ readonly type: 'failed'; readonly session: number; readonly lease: number } & Failure)
  /** The trainer waits for slots: what the link keeps in slots it moves elsewhere. */
  | { readonly type: 'needSlots'; readonly session: number }
  | { readonly type: 'fetch'; readonly sha256: string }
  | { readonly type: 'leave'; readonly reason: string };

/** What the link thread is started with (its `workerData`). */
export interface LinkStart {
  readonly url: string;
  readonly token: string | null;
  readonly cacheFolder: string;
  readonly waitSeconds: number;
  readonly device: Device;
  /** SHA-256 of the plug-ins that are installed, by name. */
  readonly plugins: Readonly<Record<string, string>>;
  readonly control: SharedArrayBuffer;
}

const progressAt = 0;
const lockAt = 1;
const stepAt = 2;
const tensorsAt = 3;
const busyAt = 4;
const controlInts = 8;

/** The integers that both threads see: signs of life, the lock on the replica's state, and the state's position. */
export class Control {
  readonly #ints: Int32Array;

  constructor(readonly buffer: SharedArrayBuffer = new SharedArrayBuffer(4 * controlInts)) {
    this.#ints = new Int32Array(buffer);
  }

  /** A sign of life of the trainer. */
  tick(): void {
    Atomics.add(this.#ints, progressAt, 1);
  }

  /** Modulo 2^31, so that it is a count on the wire. */
  get progress(): number {
    return Atomics.load(this.#ints, progressAt) & 0x7fffffff;
  }

  /** Live tensors of the trainer's backend. */
  set tensors(count: number) {
    Atomics.store(this.#ints, tensorsAt, count);
  }
  get tensors(): number {
    return Atomics.load(this.#ints, tensorsAt);
  }

  /** Whether the trainer is at work: then its progress must move. */
  set isBusy(busy: boolean) {
    Atomics.store(this.#ints, busyAt, busy ? 1 : 0);
  }
  get isBusy(): boolean {
    return Atomics.load(this.#ints, busyAt) === 1;
  }

  /** Position of the replica's state; written by the link alone, while it holds the lock. */
  set step(step: number) {
    Atomics.store(this.#ints, stepAt, step);
  }
  get step(): number {
    return Atomics.load(this.#ints, stepAt);
  }

  /**
   * Runs `body` while no other thread reads or changes the replica's state. Both sides hold it for one copy or one
   * update.
   */
  withState<T>(body: () => T): T {
    while (Atomics.compareExchange(this.#ints, lockAt, 0, 1) !== 0) Atomics.wait(this.#ints, lockAt, 1);
    try {
      return body();
    } finally {
      Atomics.store(this.#ints, lockAt, 0);
      Atomics.notify(this.#ints, lockAt, 1);
    }
  }
}

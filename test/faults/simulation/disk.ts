/**
 * The run folder of a simulated run: log, journal and snapshots as recovery finds them. A write takes a while; a crash
 * in the middle of one leaves all of it or nothing, as a log that checks its last record does.
 */
import type { RunStore } from '../../../coordinator/run-parts.js';
import type { RunFolder } from '../../../coordinator/store/run-folder.js';
import { afterRewinds, type JournalLine } from '../../../coordinator/store/journal.js';
import type { CommitRecord } from '../../../coordinator/store/commit-record.js';
import { applyCommit } from '../../../shared/replica/apply-commit.js';
import type { RunPosition, Snapshot } from '../../../coordinator/store/snapshots.js';
import type { Replica } from '../../../shared/replica/replica.js';
import type { ProcessTimers, VirtualClock } from './virtual-time.js';
import type { RandomStream } from './random-stream.js';

interface StoredSnapshot extends Snapshot {
  readonly state: Uint8Array;
  isDamaged: boolean;
}

export interface Standing {
  readonly step: number;
  readonly update: number;
  readonly unit: number;
}

type Recovered = Standing & { readonly rewoundBy: number };

/** The coordinators that the folder has had, and the one that has it now. */
export interface Lineage {
  readonly generation: { readonly counter: number; readonly nonce: string };
  readonly nonces: ReadonlyMap<string, number>;
}

export type SimulatedStore = RunStore & { readonly folder: Pick<RunFolder, 'path' | 'run' | 'read' | 'write'> };

const kept = 2;

export class Disk {
  journal: JournalLine[] = [];
  readonly #log = new Map<number, { readonly record: CommitRecord; readonly bytes: Uint8Array | null }>();
  #snapshots: StoredSnapshot[] = [];
  readonly #files = new Map<string, string>();
  #writing = new Set<() => void>();
  /** Snapshots written so far. */
  #written = 0;
  readonly #clock: VirtualClock;
  readonly #random: RandomStream;
  readonly #longestMs: number;

  /** @param longestMs of a write */
  constructor(clock: VirtualClock, random: RandomStream, longestMs: number) {
    [this.#clock, this.#random, this.#longestMs] = [clock, random, longestMs];
  }

  /** The folder as the run of one process uses it. A process that is gone writes nothing any more. */
  storeOf(process: Pick<ProcessTimers, 'isGone'>, lineage: Lineage): SimulatedStore {
    const whileAlive = <T>(write: () => Promise<T>): Promise<T> =>
      process.isGone ? new Promise(() => undefined) : write();
    return {
      folder: {
        path: 'simulated',
        run: 'simulated',
        generation: { ...lineage.generation, secret: 'simulated' },
        nonces: lineage.nonces,
        expectNewest: () => Promise.resolve(),
        read: (name) => Promise.resolve(this.#files.get(name) ?? null),
        write: (name, content) => whileAlive(() => this.#write(() => this.#files.set(name, content))),
      },
      log: {
        has: (step) => this.#log.has(step),
        stateHashAfter: (step) => this.#log.get(step)?.record.stateHash,
        read: (step) => Promise.resolve(this.#commitAt(step).record),
        readBytes: (step, { offset, length }) => {
          const { bytes } = this.#commitAt(step);
          if (bytes === null) throw new Error(`the commit of step ${step} has no bytes`);
          return Promise.resolve(bytes.slice(offset, offset + length));
        },
        append: (record, payload) => whileAlive(() => this.#append(record, payload)),
        isDurable: true,
        rotate: () => undefined,
        forget: () => undefined,
        sizeBytes: 0,
        dropBefore: async (first) => {
          for (const step of this.#log.keys()) if (step < first) this.#log.delete(step);
        },
      },
      snapshots: this.#snapshotStore(whileAlive),
      // Like the log's commits, each line is there as a whole or not at all.
      journal: {
        head: '',
        append: (line) => whileAlive(() => this.#write(() => this.journal.push(line))),
      },
      writeBest: () => whileAlive(() => this.#write(() => undefined)),
    };
  }

  #snapshotStore(whileAlive: <T>(write: () => Promise<T>) => Promise<T>): SimulatedStore['snapshots'] {
    const all = (): readonly StoredSnapshot[] => this.#snapshots;
    return {
      get all() {
        return all();
      },
      get newest() {
        return all().at(-1);
      },
      get initial() {
        return all().find(({ step }) => step === 0);
      },
      get oldestStep() {
        return all().at(-kept)?.step ?? 0;
      },
      write: (state, position) =>
        whileAlive(async () => {
          const stored = this.#stored(state.bytes, position);
          await this.#write(() => {
            const later = this.#snapshots.filter(({ step }) => step > 0);
            this.#snapshots = [...this.#snapshots.filter(({ step }) => step === 0), ...later.slice(1 - kept), stored];
          });
          return stored;
        }),
    };
  }

  #append(record: CommitRecord, payload: Uint8Array | null): Promise<void> {
    if (this.#log.has(record.step)) throw new Error(`step ${record.step} is committed twice`);
    const bytes = payload === null ? null : Uint8Array.from(payload);
    return this.#write(() => this.#log.set(record.step, { record, bytes }));
  }

  #commitAt(step: number): { readonly record: CommitRecord; readonly bytes: Uint8Array | null } {
    const found = this.#log.get(step);
    if (found === undefined) throw new Error(`the log has no step ${step}`);
    return found;
  }

  stateOf(sha256: string): Uint8Array {
    const found = this.#snapshots.find((snapshot) => snapshot.sha256 === sha256);
    if (found === undefined) throw new Error(`no snapshot ${sha256}`);
    return found.state;
  }

  /** A new run's folder has the snapshot at step 0. */
  begin(replica: Replica): void {
    const position = {
      step: 0,
      update: 0,
      unit: 0,
      epoch: 0,
      stateHash: replica.hashState(),
      recipeDigest: '',
      journal: '',
    };
    this.#snapshots = [this.#stored(replica.state(), position)];
  }

  /** The machine stops: what was being written is there, or is not. */
  crash(): void {
    for (const store of this.#writing) if (this.#random.next() < 0.5) store();
    this.#writing.clear();
  }

  /** Makes the newest snapshot unreadable, if there is an older one that the log reaches back to. Says whether. */
  damageNewest(): boolean {
    const [older, newest] = this.#snapshots.slice(-2);
    if (older === undefined || newest === undefined || !this.#log.has(older.step)) return false;
    newest.isDamaged = true;
    return true;
  }

  /**
   * Makes the log's newest commits unreadable, two at least, so that they cannot be taken for one that was never
   * released. Says whether.
   */
  loseLog(): boolean {
    const newest = this.#snapshots.at(-1)?.step ?? 0;
    const after = [...this.#log.keys()].filter((step) => step >= newest).sort((a, b) => a - b);
    const journalled = this.lines.filter((line) => line.type === 'commit').length;
    const first = after.at(this.#random.below(after.length));
    if (first === undefined || journalled < first + 2) return false;
    for (const step of after) if (step >= first) this.#log.delete(step);
    return true;
  }

  /** Those of the journal that count. */
  get lines(): JournalLine[] {
    return afterRewinds(this.journal).filter(({ type }) => type === 'commit' || type === 'evaluation');
  }

  /**
   * What a coordinator does when it starts (coordinator/store/recovery.ts): newest sound snapshot, log, journal in line with
   * both.
   */
  recover(replica: Replica, generation: number): Recovered {
    this.#snapshots = this.#snapshots.filter(({ isDamaged }) => !isDamaged);
    const newest = this.#snapshots.at(-1);
    if (newest === undefined) throw new Error('no snapshot is left');
    replica.state().set(newest.state);
    let standing: Standing = { step: newest.step, update: newest.update, unit: newest.unit };
    for (let step = newest.step; this.#log.has(step); step++) {
      const { record, bytes } = this.#commitAt(step);
      if (bytes !== null) replica.slotBytes(0).set(bytes);
      const { stateHash } = applyCommit(replica, standing, { commit: record, slot: 0 });
      if (stateHash !== record.stateHash)
        throw new Error(`the log's step ${step} gives another state than was journalled`);
      standing = { step: step + 1, update: record.scalars.update, unit: record.unit + 1 };
    }
    for (const step of this.#log.keys()) if (step >= standing.step) this.#log.delete(step);
    this.#reconcile(standing.step, generation);
    const rewoundBy = this.journal.findLast(({ type }) => type === 'rewind')?.generation ?? 0;
    const unit = this.lines.reduce(
      (next, line) => (line.type === 'evaluation' && line.unit >= next ? line.unit + 1 : next),
      standing.unit,
    );
    return { ...standing, unit, rewoundBy };
  }

  #reconcile(step: number, generation: number): void {
    const last = this.journal.at(-1);
    if (last?.type === 'commit' && last.step === step) this.journal.pop();
    const journalled = this.lines.filter((line) => line.type === 'commit').length;
    if (journalled < step - 1) throw new Error(`the journal has ${journalled} steps, the log ${step}`);
    if (journalled < step) this.journal.push(this.#commitAt(step - 1).record.line);
    if (journalled <= step) return;
    this.journal.push({
      type: 'rewind',
      generation,
      atMs: this.#clock.nowMs,
      toStep: step,
      reason: 'the log ends there',
    });
    this.#snapshots = this.#snapshots.filter((snapshot) => snapshot.step <= step);
  }

  #write(store: () => void): Promise<void> {
    return new Promise((resolve) => {
      this.#writing.add(store);
      this.#clock.in(this.#random.below(this.#longestMs + 1), () => {
        if (!this.#writing.delete(store)) return;
        store();
        resolve();
      });
    });
  }

  #stored(state: Uint8Array, position: RunPosition): StoredSnapshot {
    return {
      ...position,
      sha256: (++this.#written).toString(16).padStart(64, '0'),
      bytes: state.length,
      path: '',
      state: Uint8Array.from(state),
      isDamaged: false,
    };
  }
}

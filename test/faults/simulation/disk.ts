/**
 * The run folder of a simulated run: log, journal and snapshots as recovery finds them. A write takes a while; a crash
 * in the middle of one leaves all of it or nothing, as a log that checks its last record does.
 */
import { afterRewinds, type JournalLine } from '../../../coordinator/store/journal.js';
import type { CommitRecord } from '../../../coordinator/store/log.js';
import { applyCommit } from '../../../shared/replica/apply-commit.js';
import type { RunPosition, Snapshot, StateSource } from '../../../coordinator/store/snapshots.js';
import type { Replica } from '../../../shared/replica/replica.js';
import type { Clock } from './clock.js';
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

const kept = 2;

export class Disk {
  journal: JournalLine[] = [];
  readonly #log = new Map<number, { readonly record: CommitRecord; readonly bytes: Uint8Array | null }>();
  #snapshots: StoredSnapshot[] = [];
  #writing = new Set<() => void>();
  readonly #clock: Clock;
  readonly #random: RandomStream;
  readonly #longestMs: number;

  /** @param longestMs of a write */
  constructor(clock: Clock, random: RandomStream, longestMs: number) {
    [this.#clock, this.#random, this.#longestMs] = [clock, random, longestMs];
  }

  readonly log = {
    has: (step: number): boolean => this.#log.has(step),
    stateHashAfter: (step: number): string | undefined => this.#log.get(step)?.record.stateHash,
    append: (record: CommitRecord, payload: Uint8Array | null): Promise<void> => {
      if (this.#log.has(record.step)) throw new Error(`step ${record.step} is committed twice`);
      const bytes = payload === null ? null : Uint8Array.from(payload);
      return this.#write(() => this.#log.set(record.step, { record, bytes }));
    },
    rotate: (): void => undefined,
    sizeBytes: 0,
    dropBefore: async (first: number): Promise<void> => {
      for (const step of this.#log.keys()) if (step < first) this.#log.delete(step);
    },
  };

  /** Appended lines; like the log's, each is there as a whole or not at all. */
  readonly journalFile = { append: (line: JournalLine): Promise<void> => this.#write(() => this.journal.push(line)) };

  /** The commit of a step with its bytes. */
  read(step: number): { readonly record: CommitRecord; readonly bytes: Uint8Array | null } {
    const found = this.#log.get(step);
    if (found === undefined) throw new Error(`the log has no step ${step}`);
    return found;
  }

  readonly snapshots = ((disk: Disk) => ({
    get all(): readonly Snapshot[] {
      return disk.#snapshots;
    },
    get newest(): Snapshot | undefined {
      return disk.#snapshots.at(-1);
    },
    get oldestStep(): number {
      return disk.#snapshots.at(-kept)?.step ?? 0;
    },
    write: (state: StateSource, position: RunPosition): Promise<Snapshot> => {
      const stored = storedSnapshot(state.bytes, position);
      return disk
        .#write(() => {
          const later = disk.#snapshots.filter(({ step }) => step > 0);
          disk.#snapshots = [...disk.#snapshots.filter(({ step }) => step === 0), ...later.slice(1 - kept), stored];
        })
        .then(() => stored);
    },
  }))(this);

  stateOf({ step }: Pick<Snapshot, 'step'>): Uint8Array {
    const found = this.#snapshots.find((snapshot) => snapshot.step === step);
    if (found === undefined) throw new Error(`no snapshot of step ${step}`);
    return found.state;
  }

  /** A new run's folder has the snapshot at step 0. */
  begin(replica: Replica): void {
    const position = { step: 0, update: 0, unit: 0, epoch: 0, stateHash: replica.hashState(), recipeDigest: '' };
    this.#snapshots = [storedSnapshot(replica.state(), position)];
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
      const { record, bytes } = this.read(step);
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
    if (journalled < step) this.journal.push(this.read(step - 1).record.line);
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
      this.#clock.in(this.#random.below(this.#longestMs + 1), async () => {
        if (!this.#writing.delete(store)) return;
        store();
        resolve();
        // What waits for the write goes on before the clock does.
        await new Promise(setImmediate);
      });
    });
  }
}

function storedSnapshot(state: Uint8Array, position: RunPosition): StoredSnapshot {
  return {
    ...position,
    sha256: `${position.step}`,
    bytes: state.length,
    path: '',
    state: Uint8Array.from(state),
    isDamaged: false,
  };
}

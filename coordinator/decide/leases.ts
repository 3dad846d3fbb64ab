/**
 * Every lease of this generation that may still matter, and the account of them: granted = committed + returned +
 * outstanding.
 */
import type { LeaseRecord, WorkerRecord, Assignment } from './state.js';
import type { WorkerId } from './types.js';
import type { UnitWork } from './unit-work.js';

/** What became of the leases of this generation, as numbers of leases, and the events that were refused. */
export interface Accounts {
  /** Leases given out. */
  readonly granted: number;
  /** Granted leases for micro-batches that had been due at a worker before, and were lost, failed or late there. */
  readonly repeated: number;
  /** Events that spoke of no lease of theirs, of a wrong step or state, or came twice. */
  readonly refused: number;
  /** Leases whose contribution is in a commit. */
  readonly committed: number;
  /** Leases that ended without a contribution: cancelled, failed, or their worker left. */
  readonly returned: number;
  readonly outstanding: number;
}

/** The leases of this generation that may still matter. */
export class Leases {
  readonly #byId = new Map<number, LeaseRecord>();
  readonly #outstanding = new Set<LeaseRecord>();
  readonly #counts = { granted: 0, repeated: 0, refused: 0, committed: 0, returned: 0 };

  /** What became of the leases so far. */
  get accounts(): Accounts {
    return { ...this.#counts, outstanding: this.#outstanding.size };
  }

  /** A lease of this worker; undefined when it has none of this number, or the lease's unit is long committed. */
  find(worker: WorkerId, id: number): LeaseRecord | undefined {
    const lease = this.#byId.get(id);
    return lease?.worker.id === worker ? lease : undefined;
  }

  /** Counts an event that was refused. */
  refuse(): void {
    this.#counts.refused++;
  }

  /** Counts a lease whose micro-batches had been due at a worker before. */
  countRepeated(): void {
    this.#counts.repeated++;
  }

  /** Gives the worker a lease of the assignment, with the next number. */
  grant(
    worker: WorkerRecord,
    work: UnitWork,
    { assignment, nowMs }: { assignment: Assignment; nowMs: number },
  ): LeaseRecord {
    const lease: LeaseRecord = {
      id: ++this.#counts.granted,
      worker,
      assignment,
      state: 'computing',
      startedMs: nowMs,
      lateMs: Infinity,
      missedMs: Infinity,
      digest: '',
      bytes: 0,
      norm: null,
      slot: null,
    };
    this.#byId.set(lease.id, lease);
    this.#outstanding.add(lease);
    worker.leases.add(lease);
    work.add(lease);
    return lease;
  }

  /** Marks a lease whose contribution is in. The caller cancels the other leases of its assignment. */
  accept(lease: LeaseRecord, work: UnitWork): void {
    lease.state = 'accepted';
    detach(lease);
    lease.assignment.leases.delete(lease);
    work.complete(lease.assignment);
    work.contribute(lease.worker);
  }

  /** Marks a lease that will bring nothing. */
  giveBack(lease: LeaseRecord, work: UnitWork): void {
    lease.state = 'returned';
    detach(lease);
    this.#counts.returned++;
    this.#outstanding.delete(lease);
    work.drop(lease);
  }

  /** Forgets the leases of a unit that is over, and counts what was accepted as committed or as in vain. */
  close(work: UnitWork, isCommitted: boolean): void {
    for (const lease of work.leases) {
      this.#byId.delete(lease.id);
      if (!this.#outstanding.delete(lease)) continue;
      if (isCommitted) this.#counts.committed++;
      else this.#counts.returned++;
    }
  }
}

function detach(lease: LeaseRecord): void {
  const { worker } = lease;
  worker.leases.delete(lease);
  if (worker.current === lease) worker.current = null;
  if (worker.tentative === lease) worker.tentative = null;
}

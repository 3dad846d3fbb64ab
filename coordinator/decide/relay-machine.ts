/** The state of a relay's core, and the changes to it that are made in several places. */
import { blockRange } from '../../shared/replica/reduction/tree.js';
import { Leases } from './leases.js';
import { slotsNeeded } from './progress.js';
import { RelayedWork, type RelayedLease } from './relayed-work.js';
import type { RelayCommand, RelayConfig } from './relay-types.js';
import { patienceMs, UploadRate, type Prices } from './sizing.js';
import { nameOfUnit, type Assignment, type LeaseRecord, type WorkerRecord } from './state.js';
import type { Slot } from './types.js';
import { WorkerRecords } from './workers.js';

/** All that the core of a relay knows. The functions of this folder read and change it; nobody outside does. */
export class RelayMachine {
  readonly config: RelayConfig;
  readonly workers = new WorkerRecords();
  readonly leases = new Leases();
  readonly uploads = new UploadRate();
  /** Leases from above that are not answered yet: those of earlier steps first, of one step in the order of coming. */
  works: readonly RelayedWork[] = [];
  /** Where the relay's replica stands. */
  step = 0;
  stateHash = '';
  /** How often each process had another state than the run's. */
  readonly mismatches = new Map<string, number>();
  /** The step's micro-batch at which a block failed last. */
  readonly failedAt = new WeakMap<Assignment, number>();
  nowMs = 0;
  #commands: RelayCommand[] = [];
  #nextSlot: Slot = 0;

  constructor(config: RelayConfig) {
    this.config = config;
  }

  /** What the sizes of leases depend on, as it was measured so far. */
  get prices(): Prices {
    return { workers: this.workers, uploadMs: this.uploads.msOf(this.config.contributionBytes) };
  }

  emit(command: RelayCommand): void {
    this.#commands.push(command);
  }

  say(level: 'info' | 'warn', text: string): void {
    this.emit({ type: 'say', level, text });
  }

  takeCommands(): RelayCommand[] {
    const commands = this.#commands;
    this.#commands = [];
    return commands;
  }

  /** Whether the weights that the lease wants are here. */
  isDue({ unit }: RelayedWork): boolean {
    return unit.step === this.step;
  }

  /** @throws Error where its lease from above is over */
  workOf({ assignment }: Pick<LeaseRecord, 'assignment'>): RelayedWork {
    const found = this.works.find(({ work }) => work.unit === assignment.unit);
    if (found === undefined) throw new Error(`${nameOfUnit(assignment.unit)} is over`);
    return found;
  }

  /** Names a block in messages, such as `micro-batches 4..7 of step 12`. */
  nameOf(lease: LeaseRecord): string {
    const { assignment } = lease;
    const work = this.workOf(lease);
    const [from, last] = [work.microBatch(assignment.from), work.microBatch(assignment.to - 1)];
    return `${from === last ? `micro-batch ${from}` : `micro-batches ${from}..${last}`} of ${nameOfUnit(assignment.unit)}`;
  }

  // Leases from above

  /** A lease has come. One of weights that are gone already is computed by others. */
  open(lease: RelayedLease): void {
    if (lease.unit.step < this.step || this.works.some((work) => work.lease === lease.lease)) return;
    const work = new RelayedWork(lease, this.config.slots, this.#nextSlot);
    const { from, to } = blockRange(lease.block, lease.unit.microBatches);
    this.#nextSlot += this.config.slots + slotsNeeded(to - from);
    if (this.isDue(work)) work.dueMs = this.nowMs;
    this.works = [...this.works, work].sort((one, other) => one.unit.step - other.unit.step);
  }

  /** Forgets a lease from above, with all that was done for it. */
  close(lease: number): void {
    const work = this.works.find((candidate) => candidate.lease === lease);
    if (work === undefined) return;
    for (const assignment of [...work.work.assignments]) for (const below of [...assignment.leases]) this.cancel(below);
    for (const slot of work.progress.slotsInUse) this.emit({ type: 'free', slot: work.slotOf(slot) });
    this.#forget(work);
  }

  closeAll(): void {
    for (const { lease } of this.works) this.close(lease);
  }

  /** The replica stands at another step: what was leased for earlier ones is in vain, and that for this one is due. */
  moveTo(step: number, stateHash: string): void {
    [this.step, this.stateHash] = [step, stateHash];
    for (const { lease, unit } of this.works) if (unit.step < step) this.close(lease);
    for (const work of this.works) if (this.isDue(work)) this.#makeDue(work);
  }

  #makeDue(work: RelayedWork): void {
    work.dueMs ??= this.nowMs;
    for (const lease of work.work.leases) {
      const { worker } = lease;
      if (worker.tentative !== lease) continue;
      [worker.current, worker.tentative] = [lease, null];
      this.#startTime(lease, work);
    }
  }

  /** Tells of the leases from above that are computed. */
  reportComplete(): void {
    for (const work of this.works) {
      const { root } = work.progress;
      if (root === null) continue;
      const wallMs = this.nowMs - (work.dueMs ?? this.nowMs);
      this.emit({ type: 'report', lease: work.lease, slot: work.slotOf(root), wallMs });
      this.#forget(work, true);
    }
  }

  #forget(work: RelayedWork, isDone = false): void {
    this.leases.close(work.work, isDone);
    this.works = this.works.filter((other) => other !== work);
  }

  // Leases of workers below

  grant(worker: WorkerRecord, of: RelayedWork, assignment: Assignment): void {
    const lease = this.leases.grant(worker, of.work, { assignment, nowMs: this.nowMs });
    if (this.isDue(of)) {
      worker.current = lease;
      this.#startTime(lease, of);
    } else worker.tentative = lease;
    const { unit, lease: above } = of;
    const block = of.blockOf(assignment.block);
    this.emit({ type: 'lease', worker: worker.id, id: lease.id, of: above, unit, block });
  }

  #startTime(lease: LeaseRecord, { work }: RelayedWork): void {
    lease.startedMs = this.nowMs;
    const { firstLeaseMs: firstMs } = this.config;
    lease.lateMs = this.nowMs + patienceMs(lease.worker, work, { assignment: lease.assignment, firstMs });
    lease.missedMs = lease.lateMs;
  }

  /** Takes back a lease that will bring nothing. Its worker knows, or is gone. */
  giveBack(lease: LeaseRecord): void {
    const { slot, assignment, state, worker } = lease;
    const of = this.workOf(lease);
    if (state !== 'offered' && this.nowMs >= lease.missedMs) {
      if (worker.missed === 0) worker.missedSinceMs = lease.missedMs;
      worker.missed++;
    }
    if (state === 'pulled' && slot !== null) {
      of.progress.giveBack(assignment.from, of.ownSlot(slot));
      this.uploads.end(this.nowMs, 0);
      this.emit({ type: 'free', slot });
    }
    this.leases.giveBack(lease, of.work);
  }

  /** Takes a lease back and tells its worker so. */
  cancel(lease: LeaseRecord): void {
    this.emit({ type: 'cancel', worker: lease.worker.id, id: lease.id, step: lease.assignment.unit.step });
    this.giveBack(lease);
  }

  /** The lease's contribution lies in its slot: it is added to the sum, and the block's other leases end. */
  accept(lease: LeaseRecord, slot: Slot): void {
    const of = this.workOf(lease);
    const { assignment, worker } = lease;
    worker.missed = 0;
    this.leases.accept(lease, of.work);
    for (const other of [...assignment.leases]) this.cancel(other);
    for (const { into, from } of of.progress.complete(assignment.block, of.ownSlot(slot)))
      this.emit({ type: 'merge', into: of.slotOf(into), from: of.slotOf(from) });
  }

  /** Takes back what the worker holds and forgets it. What it has contributed stays. */
  part(worker: WorkerRecord): void {
    for (const lease of [...worker.leases]) this.giveBack(lease);
    this.workers.remove(worker);
  }
}

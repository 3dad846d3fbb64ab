/**
 * The state of the core, and the few changes that are made in several places: say something, lease, take back, accept,
 * let a worker go.
 */
import { Conduct, type Identity } from './conduct.js';
import { Leases } from './leases.js';
import { WorkerRecords } from './workers.js';
import { UnitProgress, slotsNeeded } from './progress.js';
import { Proportion } from './proportion.js';
import { patienceMs, UploadRate, type Prices } from './sizing.js';
import { nameOf, type LeaseRecord, type WorkerRecord, type Assignment } from './state.js';
import type { Command, DecideConfig } from './types.js';
import { UnitWork } from './unit-work.js';

/** The unit that is being computed: its work, and how far its reduction is. */
export interface OpenUnit {
  readonly work: UnitWork;
  readonly progress: UnitProgress;
  /** The shell was told to commit it, and has not said that it is done. */
  isCommitting: boolean;
}

/** All that the core knows. The functions of this folder read and change it; nobody outside of the folder does. */
export class Machine {
  readonly config: DecideConfig;
  readonly workers = new WorkerRecords();
  readonly leases = new Leases();
  readonly uploads = new UploadRate();
  readonly conduct = new Conduct();
  /** How often each process had another state than the run's. */
  readonly mismatches = new Map<string, number>();
  dissent: { readonly step: number; readonly stateHash: string; readonly worker: Identity } | null = null;
  open: OpenUnit | null = null;
  /** The unit after the open one, once any of it was leased. */
  next: UnitWork | null = null;
  /** Index of the open unit, or of the next to open. */
  index: number;
  /** Training steps committed; null before the first unit opens. */
  steps: number | null;
  stateHash: string;
  /** Training steps skipped in a row. */
  skips: number;
  /** Teachers that the run goes on without, by name. */
  dropped: readonly string[];
  /** How often a worker was late with a block. */
  lateTimes = 0;
  stop: { readonly reason: string; untilMs: number } | null = null;
  isOver = false;
  readonly proportion: Proportion;
  /** Some block may be audited: the recipe wants it, or something was out of proportion. */
  mayAudit: boolean;
  /** It was said that something could not be audited. */
  isUnauditedSaid = false;
  nowMs = 0;
  commands: Command[] = [];
  #waitsFor: string | null = null;

  constructor(config: DecideConfig) {
    this.config = config;
    this.proportion = new Proportion(config.proportion ?? null);
    this.mayAudit = config.audits !== undefined;
    this.index = config.firstUnit;
    this.stateHash = config.stateHash;
    this.skips = config.skips;
    this.dropped = config.policy?.dropped ?? [];
    this.steps = config.unitAt(config.firstUnit)?.step ?? null;
  }

  /** What the sizes of leases depend on, as it was measured so far. */
  get prices(): Prices {
    return { workers: this.workers, uploadMs: this.uploads.msOf(this.config.contributionBytes) };
  }

  /** Adds a command to those that the event leads to. */
  emit(command: Command): void {
    this.commands.push(command);
  }

  /** Says a line to the user. */
  say(level: 'info' | 'warn' | 'error', text: string): void {
    this.emit({ type: 'say', level, text });
  }

  /** Says what keeps the run from moving on, when that changes. */
  sayWaiting(reason: string | null): void {
    if (reason !== null && reason !== this.#waitsFor) this.say('info', reason);
    this.#waitsFor = reason;
  }

  /** Null after the last unit of the plan. */
  workAt(index: number): UnitWork | null {
    const unit = this.config.unitAt(index);
    return unit === undefined ? null : new UnitWork(index, unit);
  }

  /** Opens a unit, with slots for its reduction. */
  openUnit(work: UnitWork): void {
    this.open = { work, progress: new UnitProgress(work.unit.microBatches, this.#slotsFor(work)), isCommitting: false };
  }

  /**
   * An evaluation has no gradients, so its slots have no buffers behind them: it may have as many as its tree needs.
   */
  #slotsFor({ unit }: UnitWork): number {
    return unit.kind === 'evaluate' ? this.config.slots + slotsNeeded(unit.microBatches) : this.config.slots;
  }

  /** The unit's work that an assignment belongs to. @throws Error when its unit is over */
  workOf(assignment: Assignment): UnitWork {
    const work = [this.open?.work, this.next].find((candidate) => candidate?.unit === assignment.unit);
    if (work === undefined || work === null) throw new Error(`${nameOf(assignment)} is neither open nor next`);
    return work;
  }

  /** Leases the assignment to the worker: at once where its unit is open, else ahead. */
  grant(worker: WorkerRecord, work: UnitWork, assignment: Assignment): void {
    const lease = this.leases.grant(worker, work, { assignment, nowMs: this.nowMs });
    const shards = this.config.shardsOf?.(work.unit, assignment.from, assignment.to) ?? [];
    this.workers.holders.note(worker.holds, shards);
    if (work === this.open?.work) {
      worker.current = lease;
      this.makeDue(lease, work);
    } else worker.tentative = lease;
    this.emit({
      type: 'lease',
      worker: worker.id,
      id: lease.id,
      unit: work.unit,
      block: assignment.block,
      dropped: this.dropped,
    });
  }

  /** Starts the lease's time: its unit is open, so its worker can compute it. */
  makeDue(lease: LeaseRecord, work: UnitWork): void {
    const { assignment, worker } = lease;
    if (work.markDue(assignment)) this.leases.countRepeated();
    lease.startedMs = this.nowMs;
    const firstMs = this.config.firstLeaseMs;
    lease.lateMs = this.nowMs + patienceMs(worker, work, { assignment, firstMs });
    lease.missedMs = lease.lateMs;
  }

  /** Takes back a lease that will bring nothing. Its worker knows, or is gone. */
  giveBack(lease: LeaseRecord): void {
    const { slot, assignment, state } = lease;
    if (state !== 'offered') this.#countLate(lease);
    if (state === 'pulled' && slot !== null) {
      this.open?.progress.giveBack(assignment.from, slot);
      this.uploads.end(this.nowMs, 0);
      this.emit({ type: 'free', slot });
    }
    this.leases.giveBack(lease, this.workOf(assignment));
  }

  /** Takes a lease back and tells its worker so. */
  cancel(lease: LeaseRecord, reason: string): void {
    this.emit({ type: 'cancel', worker: lease.worker.id, id: lease.id, reason });
    this.giveBack(lease);
  }

  /** Adds a lease's contribution, which lies in its slot, to the unit's sum, and cancels the block's other leases. */
  accept(lease: LeaseRecord, slot: number): void {
    const { assignment, worker } = lease;
    const { open } = this;
    if (open === null) throw new Error(`${nameOf(assignment)} has no open unit`);
    this.leases.accept(lease, open.work);
    this.conduct.prove(worker);
    if (assignment.unit.kind === 'train' && lease.norm !== null) this.proportion.add(lease.norm);
    for (const { process, origin } of assignment.failedBy) {
      if (process !== worker.process) this.conduct.strike({ process, origin }, 0, this.nowMs);
    }
    for (const other of [...assignment.leases]) this.cancel(other, `${worker.id} was first`);
    for (const merge of open.progress.complete(assignment.block, slot)) this.emit({ type: 'merge', ...merge });
  }

  /** Takes back what the worker holds and forgets it. What it has contributed stays. */
  part(worker: WorkerRecord): void {
    for (const lease of [...worker.leases]) this.giveBack(lease);
    this.workers.remove(worker);
  }

  /** Notes that a worker let the lease's deadline pass. */
  #countLate({ worker, startedMs, missedMs, assignment }: LeaseRecord): void {
    if (assignment.lateAt.has(worker.id)) this.conduct.strike(worker, this.nowMs - startedMs, this.nowMs);
    if (this.nowMs < missedMs) return;
    if (worker.missed === 0) worker.missedSinceMs = missedMs;
    worker.missed++;
  }

  /** Takes back every lease of the unit. */
  cancelAll(work: UnitWork, reason: string): void {
    for (const assignment of [...work.assignments])
      for (const lease of [...assignment.leases]) this.cancel(lease, reason);
  }
}

/** The work of one unit: which blocks are free, leased, late or failed, and which contributions wait for a slot. */
import { blockRange, type Block } from '../../shared/replica/reduction/tree.js';
import { FreeBlocks } from './free-blocks.js';
import { costClassOf, sizeOf, type CostClass, type LeaseRecord, type WorkerRecord, type Assignment } from './state.js';
import type { Unit, WorkerId } from './types.js';

/**
 * The work on one unit that is not complete yet: every micro-batch is free, leased, waiting to be leased again, or
 * done.
 */
export class UnitWork {
  readonly index: number;
  readonly unit: Unit;
  readonly cost: CostClass;
  readonly free: FreeBlocks;
  /** Blocks that are leased and not complete. */
  readonly assignments = new Set<Assignment>();
  /** Blocks that failed somewhere and are leased to nobody now. */
  readonly retry = new Set<Assignment>();
  /** Blocks that are past their deadline, so that one worker more is wanted for each. */
  readonly late = new Set<Assignment>();
  /** Blocks whose contribution was offered and has no slot yet, by their first micro-batch. */
  readonly waiting = new Map<number, Assignment>();
  /** Every lease that was granted for the unit. */
  readonly leases: LeaseRecord[] = [];
  /** Workers whose contributions were accepted. */
  readonly contributors: WorkerId[] = [];
  readonly #processes = new Set<string>();
  readonly #leasedTo = new Map<WorkerRecord, number>();
  readonly #wasDue: Uint8Array;

  constructor(index: number, unit: Unit) {
    this.index = index;
    this.unit = unit;
    this.cost = costClassOf(unit);
    this.free = new FreeBlocks(unit.microBatches);
    this.#wasDue = new Uint8Array(unit.microBatches);
  }

  /** The same unit, of which nothing is leased or done; only what was due once is remembered. */
  anew(): UnitWork {
    const work = new UnitWork(this.index, this.unit);
    work.#wasDue.set(this.#wasDue);
    return work;
  }

  /** Nothing is left that nobody computes. */
  get isFullyLeased(): boolean {
    return this.free.microBatches === 0 && this.retry.size === 0;
  }

  /** Micro-batches that the worker has been given and has not given back. */
  leasedTo(worker: WorkerRecord): number {
    return this.#leasedTo.get(worker) ?? 0;
  }

  /** Makes an assignment of a block that was taken out of the free ones. */
  open(block: Block): Assignment {
    const assignment: Assignment = {
      unit: this.unit,
      block,
      ...blockRange(block, this.unit.microBatches),
      leases: new Set(),
      failedBy: [],
      blamed: [],
      failure: '',
      failedMs: null,
      lateAt: new Set(),
      digest: null,
      isComplete: false,
      audit: null,
    };
    return assignment;
  }

  /** The assignment's micro-batches are due at a worker. Gives whether any of them was before. */
  markDue(assignment: Assignment): boolean {
    const isRepeated = this.#wasDue.subarray(assignment.from, assignment.to).includes(1);
    this.#wasDue.fill(1, assignment.from, assignment.to);
    return isRepeated;
  }

  /** Counts a lease of the assignment in. */
  add(lease: LeaseRecord): void {
    const { assignment, worker } = lease;
    assignment.leases.add(lease);
    this.assignments.add(assignment);
    this.retry.delete(assignment);
    this.late.delete(assignment);
    this.leases.push(lease);
    this.#leasedTo.set(worker, this.leasedTo(worker) + sizeOf(assignment));
  }

  /** A lease of the assignment will bring nothing any more. */
  drop(lease: LeaseRecord): void {
    const { assignment, worker } = lease;
    assignment.leases.delete(lease);
    this.#leasedTo.set(worker, this.leasedTo(worker) - sizeOf(assignment));
    if (!assignment.isComplete) this.place(assignment);
  }

  /** Notes whose contribution was accepted. */
  contribute({ id, process }: WorkerRecord): void {
    this.contributors.push(id);
    this.#processes.add(process);
  }

  /** Whether a contribution of the process was accepted. */
  hasContributed(process: string): boolean {
    return this.#processes.has(process);
  }

  /** Marks an assignment whose contribution is in. */
  complete(assignment: Assignment): void {
    assignment.isComplete = true;
    this.assignments.delete(assignment);
    this.late.delete(assignment);
    this.waiting.delete(assignment.from);
  }

  /** Puts an assignment where the state of its leases wants it: waiting for a slot, free again, or to be tried elsewhere. */
  place(assignment: Assignment): void {
    const states = [...assignment.leases].map(({ state }) => state);
    this.waiting.delete(assignment.from);
    const isSettled = assignment.audit?.settled !== null;
    if (isSettled && states.includes('offered') && !states.includes('pulled'))
      this.waiting.set(assignment.from, assignment);
    if (states.length > 0) return;
    this.assignments.delete(assignment);
    this.late.delete(assignment);
    if (assignment.failedBy.length > 0) this.retry.add(assignment);
    else this.free.give(assignment.block);
  }
}

/** The work of one unit: which blocks are free, leased, late or failed, and which contributions wait for a slot. */
import { blockRange, type Block } from '../../shared/replica/reduction/tree.js';
import { FreeBlocks } from './free-blocks.js';
import { costClassOf, sizeOf, type CostClass, type Lease, type Member, type Task } from './state.js';
import type { Unit, WorkerId } from './types.js';

export class UnitWork {
  readonly index: number;
  readonly unit: Unit;
  readonly cost: CostClass;
  readonly free: FreeBlocks;
  /** Leased and not complete. */
  readonly tasks = new Set<Task>();
  /** Failed somewhere, and leased to nobody now. */
  readonly retry = new Set<Task>();
  /** Past their deadline: one worker more is wanted. */
  readonly late = new Set<Task>();
  /** Have an offer and no slot, by first micro-batch. */
  readonly waiting = new Map<number, Task>();
  /** Every lease that was granted for the unit. */
  readonly leases: Lease[] = [];
  /** Workers whose contributions were accepted. */
  readonly contributors: WorkerId[] = [];
  readonly #leasedTo = new Map<Member, number>();
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
  leasedTo(member: Member): number {
    return this.#leasedTo.get(member) ?? 0;
  }

  open(block: Block): Task {
    const task: Task = {
      unit: this.unit,
      block,
      ...blockRange(block, this.unit.microBatches),
      leases: new Set(),
      failedBy: [],
      blamed: [],
      failure: '',
      lateAt: new Set(),
      digest: null,
      isComplete: false,
    };
    return task;
  }

  /** The task's micro-batches are due at a worker. Gives whether any of them was before. */
  markDue(task: Task): boolean {
    const isRepeated = this.#wasDue.subarray(task.from, task.to).includes(1);
    this.#wasDue.fill(1, task.from, task.to);
    return isRepeated;
  }

  /** Counts a lease of the task in. */
  add(lease: Lease): void {
    const { task, member } = lease;
    task.leases.add(lease);
    this.tasks.add(task);
    this.retry.delete(task);
    this.late.delete(task);
    this.leases.push(lease);
    this.#leasedTo.set(member, this.leasedTo(member) + sizeOf(task));
  }

  /** A lease of the task will bring nothing any more. */
  drop(lease: Lease): void {
    const { task, member } = lease;
    task.leases.delete(lease);
    this.#leasedTo.set(member, this.leasedTo(member) - sizeOf(task));
    if (!task.isComplete) this.place(task);
  }

  complete(task: Task): void {
    task.isComplete = true;
    this.tasks.delete(task);
    this.late.delete(task);
    this.waiting.delete(task.from);
  }

  /** Puts a task where the state of its leases wants it: waiting for a slot, free again, or to be tried elsewhere. */
  place(task: Task): void {
    const states = [...task.leases].map(({ state }) => state);
    this.waiting.delete(task.from);
    if (states.includes('offered') && !states.includes('pulled')) this.waiting.set(task.from, task);
    if (states.length > 0) return;
    this.tasks.delete(task);
    this.late.delete(task);
    if (task.failedBy.length > 0) this.retry.add(task);
    else this.free.give(task.block);
  }
}

/** The work of one unit: which blocks are free, leased, late or failed, and which contributions wait for a slot. */
import { blockRange } from '../../shared/reduction/tree.js';
import { FreeBlocks } from './free-blocks.js';
import { costClassOf, sizeOf } from './state.js';
export class UnitWork {
    index;
    unit;
    cost;
    free;
    /** Leased and not complete. */
    tasks = new Set();
    /** Failed somewhere, and leased to nobody now. */
    retry = new Set();
    /** Past their deadline: one worker more is wanted. */
    late = new Set();
    /** Have an offer and no slot, by first micro-batch. */
    waiting = new Map();
    /** Every lease that was granted for the unit. */
    leases = [];
    /** Workers whose contributions were accepted. */
    contributors = [];
    #leasedTo = new Map();
    #wasDue;
    constructor(index, unit) {
        this.index = index;
        this.unit = unit;
        this.cost = costClassOf(unit);
        this.free = new FreeBlocks(unit.microBatches);
        this.#wasDue = new Uint8Array(unit.microBatches);
    }
    /** Nothing is left that nobody computes. */
    get isFullyLeased() {
        return this.free.microBatches === 0 && this.retry.size === 0;
    }
    /** Micro-batches that the worker has been given and has not given back. */
    leasedTo(member) {
        return this.#leasedTo.get(member) ?? 0;
    }
    open(block) {
        const task = {
            unit: this.unit, block, ...blockRange(block, this.unit.microBatches), leases: new Set(), failedBy: [], failure: '', lateAt: new Set(), digest: null, isComplete: false,
        };
        return task;
    }
    /** The task's micro-batches are due at a worker. Gives whether any of them was before. */
    markDue(task) {
        const isRepeated = this.#wasDue.subarray(task.from, task.to).includes(1);
        this.#wasDue.fill(1, task.from, task.to);
        return isRepeated;
    }
    /** Counts a lease of the task in. */
    add(lease) {
        const { task, member } = lease;
        task.leases.add(lease);
        this.tasks.add(task);
        this.retry.delete(task);
        this.late.delete(task);
        this.leases.push(lease);
        this.#leasedTo.set(member, this.leasedTo(member) + sizeOf(task));
    }
    /** A lease of the task will bring nothing any more. */
    drop(lease) {
        const { task, member } = lease;
        task.leases.delete(lease);
        this.#leasedTo.set(member, this.leasedTo(member) - sizeOf(task));
        if (!task.isComplete)
            this.place(task);
    }
    complete(task) {
        task.isComplete = true;
        this.tasks.delete(task);
        this.late.delete(task);
        this.waiting.delete(task.from);
    }
    /** Puts a task where the state of its leases wants it: waiting for a slot, free again, or to be tried elsewhere. */
    place(task) {
        const states = [...task.leases].map(({ state }) => state);
        this.waiting.delete(task.from);
        if (states.includes('offered') && !states.includes('pulled'))
            this.waiting.set(task.from, task);
        if (states.length > 0)
            return;
        this.tasks.delete(task);
        this.late.delete(task);
        if (task.failedBy.length > 0)
            this.retry.add(task);
        else
            this.free.give(task.block);
    }
}
//# sourceMappingURL=unit-work.js.map
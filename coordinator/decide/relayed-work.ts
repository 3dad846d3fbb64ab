/**
 * The lease of a relay, as the unit of the workers below it. The block that was leased is a tree of its own, whose
 * micro-batches are counted from 0 here; aligned blocks of it are aligned blocks of the whole step.
 */
import { blockRange, type Block } from '../../shared/replica/reduction/tree.js';
import { UnitProgress, slotsNeeded } from './progress.js';
import type { Slot, Unit } from './types.js';
import { UnitWork } from './unit-work.js';

export interface RelayedLease {
  /** The lease's number, as whoever is above has given it. */
  readonly lease: number;
  readonly unit: Unit;
  readonly block: Block;
}

/** One lease from above that is not computed yet. */
export class RelayedWork {
  readonly lease: number;
  /** As it came, with the micro-batches of the whole step. */
  readonly unit: Unit;
  readonly work: UnitWork;
  readonly progress: UnitProgress;
  /** When it could be begun: it is here, and so are the weights. Milliseconds of the events' clock; null before. */
  dueMs: number | null = null;
  /** Number of the first of its slots, which no other lease's have. */
  readonly #base: Slot;
  /** The step's micro-batch that is the first of the lease. */
  readonly #first: number;

  /**
   * @param slots those with a buffer behind them; an evaluation, which needs none, has as many as its tree wants
   * @param base number of the first slot
   */
  constructor({ lease, unit, block }: RelayedLease, slots: number, base: Slot) {
    const { from, to } = blockRange(block, unit.microBatches);
    const microBatches = to - from;
    this.lease = lease;
    this.unit = unit;
    this.work = new UnitWork(lease, { ...unit, microBatches });
    const all = unit.kind === 'evaluate' ? slots + slotsNeeded(microBatches) : slots;
    this.progress = new UnitProgress(microBatches, all);
    this.#base = base;
    this.#first = from;
  }

  /** The step's number of a micro-batch. */
  microBatch(own: number): number {
    return this.#first + own;
  }

  /** The step's block that a block of this lease is. */
  blockOf({ level, index }: Block): Block {
    return { level, index: index + Math.floor(this.#first / 2 ** level) };
  }

  /** The number that a slot of this lease has among those of all. */
  slotOf(own: Slot): Slot {
    return this.#base + own;
  }

  /** The slot of this lease that has this number among those of all. */
  ownSlot(slot: Slot): Slot {
    return slot - this.#base;
  }
}

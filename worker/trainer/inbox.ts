/**
 * What the link has sent to the trainer of one run: leases that wait, slots that are free, and the weights as they
 * come. It turns the link's messages into things that the trainer can wait for, and the trainer's results into
 * messages; it computes nothing.
 */
import type { Lease } from '../../shared/protocol/messages.js';
import type { SlottedContribution } from '../../shared/replica/reduction/block-sum.js';
import { planReplica } from '../../shared/replica/plan.js';
import { Replica } from '../../shared/replica/replica.js';
import type { StudentCompute } from '../compute/contract.js';
import type { TrainerView } from '../threads/control.js';
import type { SpanBuffer } from '../threads/span-buffer.js';
import type { Begin, Failure, ToLink, ToTrainer } from '../threads/messages.js';
import { LeaseQueue } from './lease-queue.js';

export type ForInbox = Extract<ToTrainer, { type: 'weights' | 'lease' | 'cancel' | 'disconnected' | 'slot' }>;

/** A block as the trainer has computed it. */
export interface ComputedBlock {
  /** Hash of the state that the weights belong to. */
  readonly stateHash: string;
  /** The slots that the trainer took for the block. */
  readonly slots: readonly number[];
  readonly sum: SlottedContribution;
  /** Seconds spent, by phase. */
  readonly seconds: Readonly<Record<string, number>>;
}

export class Inbox {
  readonly queue = new LeaseQueue();
  /** The replica in the memory that the link shares. */
  readonly replica: Replica;
  readonly control: TrainerView;
  readonly runNumber: number;
  readonly #post: (message: ToLink) => void;
  /** Slots that are the trainer's and not in use. */
  readonly #free: number[];
  /** Number of the trainer's slots, in use or with the link or not. */
  readonly #slots: number;
  /** The weights that the student has; null when it has others, or none. */
  #loaded: { readonly step: number; readonly stateHash: string } | null = null;

  constructor(begin: Begin, control: TrainerView, post: (message: ToLink) => void) {
    const plan = planReplica(begin.spec, begin.recipe.optimizer, begin.recipe.compression);
    this.replica = new Replica(plan, { slots: begin.slots, memory: begin.memory });
    this.control = control;
    this.runNumber = begin.runNumber;
    this.#free = [...begin.trainerSlots];
    this.#slots = this.#free.length;
    this.#post = post;
  }

  /** Takes a message of the link; one of an earlier run changes nothing. */
  hear(message: ForInbox): void {
    if (message.runNumber !== this.runNumber) return;
    switch (message.type) {
      case 'lease':
        return this.queue.push(message.lease);
      case 'cancel':
        return this.queue.cancel(message.lease);
      case 'disconnected':
        // The next connection may bring another state at the same step.
        this.#loaded = null;
        return this.queue.cancelAll();
      case 'slot':
        this.#free.push(message.slot);
        return this.queue.notify();
      case 'weights':
        return this.queue.notify();
      default: {
        const unknown: never = message;
        throw new Error(`unknown message ${JSON.stringify(unknown)}`);
      }
    }
  }

  /**
   * Where the weights of a lease are. `behind`: their commit is on its way. `ahead`: the replica is past them, so the
   * step is committed without this lease.
   */
  weightsAre(lease: Lease): 'here' | 'behind' | 'ahead' {
    // Read once: the link's thread moves it on at any moment, and `ahead` would drop a lease that is just due.
    const { step } = this.control;
    if (this.#loaded?.step === lease.step || step === lease.step) return 'here';
    return step < lease.step ? 'behind' : 'ahead';
  }

  /**
   * Copies the replica's weights at `step` into the student, unless they are there already.
   *
   * @returns the hash of the state that they were copied from, or null when the replica has left that step
   */
  loadWeights(step: number, student: StudentCompute): string | null {
    if (this.#loaded?.step === step) return this.#loaded.stateHash;
    const stateHash = this.control.withState(() => {
      if (this.control.step !== step) return null;
      const { weights, frozen, moving } = this.replica;
      student.load(weights, frozen, moving);
      return this.replica.hashState();
    });
    this.#loaded = stateHash === null ? null : { step, stateHash };
    return stateHash;
  }

  /** `count` free slots, once the link has given back enough; null if the current lease is cancelled meanwhile. */
  async takeSlots(count: number): Promise<number[] | null> {
    if (count > this.#slots) throw new Error(`a block needs ${count} slots, there are ${this.#slots}`);
    while (this.#free.length < count) {
      this.#post({ type: 'needSlots', runNumber: this.runNumber });
      await this.queue.changed();
      if (this.queue.isCancelled) return null;
    }
    return this.#free.splice(0, count);
  }

  /** Frees slots that were taken. */
  giveBack(slots: readonly number[]): void {
    this.#free.push(...slots);
  }

  /** Hands a computed lease to the link, with the slot that holds its gradient; the block's other slots are free. */
  contribute(lease: Lease, { stateHash, slots, sum, seconds }: ComputedBlock): void {
    this.giveBack(slots.filter((slot) => slot !== sum.slot));
    if (sum.slot !== null) this.replica.writeMoments(sum.slot, sum.moments);
    this.#post({
      type: 'contribution',
      runNumber: this.runNumber,
      lease: lease.id,
      step: lease.step,
      stateHash,
      slot: sum.slot,
      sums: sum.sums,
      // A student without batch normalisation has no moments.
      momentCounts: sum.slot === null ? [] : (sum.moments?.counts ?? []),
      seconds,
    });
  }

  /** Hands what was done to the link, where the run is traced. */
  trace(spans: ReturnType<SpanBuffer['take']>): void {
    this.#post({ type: 'spans', runNumber: this.runNumber, ...spans });
  }

  /** Tells the link why a lease could not be computed. */
  fail(lease: Lease, failure: Failure): void {
    this.#post({ type: 'failed', runNumber: this.runNumber, lease: lease.id, ...failure });
  }
}

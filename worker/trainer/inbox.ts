/**
 * The trainer's desk for one run: leases that wait, slots that are free, and the weights as they come. It turns the
 * link's messages into things that the trainer can wait for; it computes nothing.
 */
import type { Lease } from '../../shared/protocol/messages.js';
import type { SlottedContribution } from '../../shared/replica/reduction/block-sum.js';
import { planReplica } from '../../shared/replica/plan.js';
import { Replica } from '../../shared/replica/replica.js';
import type { StudentCompute } from '../compute/contract.js';
import type { TrainerView } from '../threads/control.js';
import type { Begin, Failure, ToLink, ToTrainer } from '../threads/messages.js';
import { WorkQueue } from './lease-queue.js';

export type ForDesk = Extract<ToTrainer, { type: 'weights' | 'lease' | 'cancel' | 'disconnected' | 'slot' }>;

export class Desk {
  readonly queue = new WorkQueue();
  readonly replica: Replica;
  readonly control: TrainerView;
  readonly runNumber: number;
  readonly #post: (message: ToLink) => void;
  readonly #free: number[];
  readonly #slots: number;
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

  hear(message: ForDesk): void {
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
   * `ahead`: the replica is past this lease's step, which is thus committed without it. `behind`: the commit is on its
   * way.
   */
  weightsAre(lease: Lease): 'here' | 'behind' | 'ahead' {
    // Read once: the link's thread moves it on at any moment, and `ahead` would drop a lease that is just due.
    const { step } = this.control;
    if (this.#loaded?.step === lease.step || step === lease.step) return 'here';
    return step < lease.step ? 'behind' : 'ahead';
  }

  /**
   * Copies the replica's weights at `step` into the student, unless they are there already; gives the hash of the state
   * that they were copied from, or null when the replica has left that step.
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

  /** Forgets which weights the student has: something else was loaded into it. */
  forgetLoaded(): void {
    this.#loaded = null;
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

  giveBack(slots: readonly number[]): void {
    this.#free.push(...slots);
  }

  /** Hands a computed lease to the link, and its slot with it. */
  contribute(
    lease: Lease,
    stateHash: string,
    sum: SlottedContribution,
    seconds: Readonly<Record<string, number>>,
  ): void {
    if (sum.slot !== null) this.replica.writeMoments(sum.slot, sum.moments);
    this.#post({
      type: 'contribution',
      runNumber: this.runNumber,
      lease: lease.id,
      step: lease.step,
      stateHash,
      slot: sum.slot,
      sums: sum.sums,
      momentCounts: sum.slot === null ? [] : (sum.moments?.counts ?? []),
      seconds,
    });
  }

  fail(lease: Lease, failure: Failure): void {
    this.#post({ type: 'failed', runNumber: this.runNumber, lease: lease.id, ...failure });
  }
}

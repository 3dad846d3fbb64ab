/**
 * The leases that this worker holds and has not begun, in the order of their coming, and whether the one that it has
 * begun was cancelled since. It never reorders: the coordinator leases blocks in the order in which it wants them.
 */
import type { Lease } from '../../shared/protocol/messages.js';

export class LeaseQueue {
  readonly #waiting: Lease[] = [];
  #current: Lease | null = null;
  #isCancelled = false;
  #isClosed = false;
  #wake: (() => void) | null = null;

  push(lease: Lease): void {
    this.#waiting.push(lease);
    this.notify();
  }

  /**
   * Forgets a waiting lease, or marks the current one. An unknown id means that its contribution has crossed the
   * cancel.
   */
  cancel(id: number): void {
    const at = this.#waiting.findIndex((lease) => lease.id === id);
    if (at >= 0) this.#waiting.splice(at, 1);
    if (this.#current?.id === id) this.#isCancelled = true;
    this.notify();
  }

  /** The connection is gone, and every lease with it. */
  cancelAll(): void {
    this.#waiting.length = 0;
    this.#isCancelled = true;
    this.notify();
  }

  /** No more leases will come: `next` gives null. */
  close(): void {
    this.#isClosed = true;
    this.cancelAll();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether the lease that `next` gave last is to be dropped. */
  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  /** Waiting leases, without the current one. */
  get waiting(): readonly Lease[] {
    return this.#waiting;
  }

  /** The next lease, once there is one; null after `close`. */
  async next(): Promise<Lease | null> {
    this.#current = null;
    for (;;) {
      if (this.#isClosed) return null;
      const lease = this.#waiting.shift();
      if (lease !== undefined) {
        this.#current = lease;
        this.#isCancelled = false;
        return lease;
      }
      await this.changed();
    }
  }

  /** Resolves at the next change from outside: a lease, a cancel, or `notify`. There is one waiter at a time. */
  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Wakes the waiter, since something that it may wait for has changed. */
  notify(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}

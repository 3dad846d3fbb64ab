/**
 * Micro-batches with their soft labels. They are made when they are taken, or ahead of that while the commit that their
 * weights wait for is on its way: teachers are frozen, so labels do not depend on it.
 */
import PQueue from 'p-queue';
import type { Lease } from '../../shared/protocol/messages.js';
import { blockRange, microBatchRange } from '../../shared/replica/reduction/tree.js';
import type { MicroBatch, RunCompute } from '../compute/contract.js';

/** Micro-batches that are made ahead and held, at most. */
const aheadLimit = 32;

export class MicroBatches {
  readonly #compute: Pick<RunCompute, 'trainBatch' | 'evalBatch'>;
  /** Micro-batches that were made ahead, or are being made. */
  readonly #ready = new Map<string, Promise<MicroBatch>>();
  /** Micro-batches of the current leases that were taken, so that they are not made ahead again. */
  readonly #taken = new Set<string>();
  /** Makes one at a time, since the teachers have one device. */
  readonly #queue = new PQueue({ concurrency: 1 });

  constructor(compute: Pick<RunCompute, 'trainBatch' | 'evalBatch'>) {
    this.#compute = compute;
  }

  /** Micro-batch `j` of the lease's step, which is forgotten here. @throws TeacherFailure */
  take(lease: Lease, j: number): Promise<MicroBatch> {
    const key = keyOf(lease, j);
    const found = this.#ready.get(key) ?? this.#make(lease, j);
    this.#ready.delete(key);
    this.#taken.add(key);
    return found;
  }

  /**
   * Begins to make the first micro-batch of these leases that is not there. It resolves when that is made; null when
   * all are there, or as many as may be held.
   */
  startNext(leases: readonly Lease[]): Promise<MicroBatch> | null {
    const next = this.nextOf(leases);
    return next === null ? null : this.start(next);
  }

  /** The first micro-batch of these leases that is to be made ahead; null for none. */
  nextOf(leases: readonly Lease[]): { readonly lease: Lease; readonly j: number } | null {
    if (this.#ready.size >= aheadLimit) return null;
    for (const lease of leases) {
      const { from, to } = blockRange(lease.block, lease.microBatches);
      for (let j = from; j < to; j++) {
        if (!this.#taken.has(keyOf(lease, j)) && !this.#ready.has(keyOf(lease, j))) return { lease, j };
      }
    }
    return null;
  }

  /** Begins to make a micro-batch ahead. */
  start({ lease, j }: { readonly lease: Lease; readonly j: number }): Promise<MicroBatch> {
    const made = this.#make(lease, j);
    // Whoever takes the micro-batch meets its failure. Until then it must not count as unhandled.
    made.catch(() => undefined);
    this.#ready.set(keyOf(lease, j), made);
    return made;
  }

  /** Forgets what was made for steps that none of these leases is of. */
  keepOnly(leases: readonly Lease[]): void {
    const steps = new Set(leases.map(stepKey));
    this.#taken.clear();
    for (const key of this.#ready.keys()) if (!steps.has(key.slice(0, key.lastIndexOf(':')))) this.#ready.delete(key);
  }

  /** Makes nothing more, and resolves once nothing is being made: models may be freed then. */
  async stop(): Promise<void> {
    this.#queue.clear();
    await this.#queue.onIdle();
  }

  #make(lease: Lease, j: number): Promise<MicroBatch> {
    const range = microBatchRange(lease.to - lease.from, lease.microBatches, j);
    const [from, to] = [lease.from + range.from, lease.from + range.to];
    return this.#queue.add(() =>
      lease.kind === 'train'
        ? this.#compute.trainBatch(lease.epoch, from, to, lease.dropped)
        : this.#compute.evalBatch(from, to),
    );
  }
}

/** What the samples and labels of a step's micro-batches depend on. */
function stepKey(lease: Lease): string {
  return [lease.kind, lease.epoch, lease.from, lease.to, ...(lease.dropped ?? [])].join(':');
}

function keyOf(lease: Lease, j: number): string {
  return `${stepKey(lease)}:${j}`;
}

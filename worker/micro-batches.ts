/**
 * Micro-batches with their soft labels, made when they are asked for or ahead of that, while the commit that their
 * weights wait for is on its way: teachers are frozen, so labels do not depend on it. At most `aheadLimit` are held.
 */
import PQueue from 'p-queue';
import type { Lease } from '../shared/protocol/messages.js';
import { blockRange, microBatchRange } from '../shared/reduction/tree.js';
import type { MicroBatch, RunCompute } from './compute.js';

const aheadLimit = 32;

export class MicroBatches {
  readonly #compute: Pick<RunCompute, 'trainBatch' | 'evalBatch'>;
  readonly #ready = new Map<string, Promise<MicroBatch>>();
  /** One at a time: the teachers' device is one. */
  readonly #queue = new PQueue({ concurrency: 1 });

  constructor(compute: Pick<RunCompute, 'trainBatch' | 'evalBatch'>) {
    this.#compute = compute;
  }

  /** Micro-batch `j` of the lease's step; it is forgotten here. */
  take(lease: Lease, j: number): Promise<MicroBatch> {
    const key = keyOf(lease, j);
    const found = this.#ready.get(key) ?? this.#make(lease, j);
    this.#ready.delete(key);
    return found;
  }

  /** Makes the first micro-batch of these leases that is not there; false when all are, or as many as may be. */
  async makeNext(leases: readonly Lease[]): Promise<boolean> {
    if (this.#ready.size >= aheadLimit) return false;
    for (const lease of leases) {
      const { from, to } = blockRange(lease.block, lease.microBatches);
      for (let j = from; j < to; j++) {
        const key = keyOf(lease, j);
        if (this.#ready.has(key)) continue;
        const made = this.#make(lease, j);
        this.#ready.set(key, made);
        await made;
        return true;
      }
    }
    return false;
  }

  /** Forgets what was made for leases that are not among these. */
  keepOnly(leases: readonly Lease[]): void {
    const steps = new Set(leases.map(stepKey));
    for (const key of this.#ready.keys()) if (!steps.has(key.slice(0, key.lastIndexOf(':')))) this.#ready.delete(key);
  }

  #make(lease: Lease, j: number): Promise<MicroBatch> {
    const range = microBatchRange(lease.to - lease.from, lease.microBatches, j);
    const [from, to] = [lease.from + range.from, lease.from + range.to];
    return this.#queue.add(() => (lease.kind === 'train' ? this.#compute.trainBatch(lease.epoch, from, to) : this.#compute.evalBatch(from, to)));
  }
}

function stepKey(lease: Lease): string {
  return `${lease.kind}:${lease.epoch}:${lease.from}:${lease.to}`;
}

function keyOf(lease: Lease, j: number): string {
  return `${stepKey(lease)}:${j}`;
}

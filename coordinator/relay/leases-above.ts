/** The leases that a relay has from above as they came, and what the workers below have spent on them. */
import { must } from '../../shared/must.js';
import type { Lease, Up } from '../../shared/protocol/messages.js';
import type { Block } from '../../shared/replica/reduction/tree.js';
import { computeSecondsOf } from '../workers/worker-messages.js';

interface Above {
  readonly lease: Lease;
  readonly seconds: Map<string, number>;
  /** Leases below that are parts of it. */
  readonly parts: number[];
}

export class LeasesAbove {
  readonly #all = new Map<number, Above>();
  /** The lease from above, for each lease below. */
  readonly #aboveOf = new Map<number, Above>();

  open(lease: Lease): void {
    this.#all.set(lease.id, { lease, seconds: new Map(), parts: [] });
  }

  /** The lease of a part of it, under a number of the relay's own. */
  part(of: number, id: number, block: Block): Lease {
    const above = must(this.#all, of, 'lease');
    above.parts.push(id);
    this.#aboveOf.set(id, above);
    return { ...above.lease, id, block };
  }

  /** Seconds that were spent on a lease below, by phase. */
  addSeconds(part: number, seconds: Up<'offer'>['seconds']): void {
    const sums = this.#aboveOf.get(part)?.seconds;
    if (sums === undefined) return;
    for (const [phase, value] of Object.entries(seconds)) sums.set(phase, (sums.get(phase) ?? 0) + value);
  }

  /**
   * What the lease took by the clock, by phase as the workers have spent it: several compute at once, and whoever is above
   * wants to know how fast all of them are together.
   */
  secondsOf(lease: number, wallSeconds: number): Record<string, number> {
    const spent = Object.fromEntries(must(this.#all, lease, 'lease').seconds);
    const computed = computeSecondsOf(spent);
    const factor = computed > wallSeconds ? wallSeconds / computed : 1;
    return Object.fromEntries(
      Object.entries(spent)
        .filter(([phase]) => phase !== 'optimizer')
        .map(([phase, seconds]) => [phase, seconds * factor]),
    );
  }

  close(lease: number): void {
    const above = this.#all.get(lease);
    if (above === undefined) return;
    for (const part of above.parts) this.#aboveOf.delete(part);
    this.#all.delete(lease);
  }

  closeAll(): void {
    for (const lease of [...this.#all.keys()]) this.close(lease);
  }
}

/** Leases counted for the summary: how many were granted, how many of them again, and what was refused. */
import { blockRange, microBatchRange, type Block } from '../shared/reduction/tree.js';
import type { Unit } from './decide/types.js';

/** Units that leases may be open for: the current one and the tentative next. */
const unitsKept = 3;

export class LeaseCounts {
  granted = 0;
  repeated = 0;
  refused = 0;
  /** Micro-batches leased so far, by unit. */
  readonly #leased = new Map<string, Set<number>>();

  grant(unit: Unit, block: Block): void {
    const seen = this.#of(`${unit.kind} ${unit.subject ?? ''} ${unit.step}`);
    const { from, to } = blockRange(block, unit.microBatches);
    this.granted++;
    if (seen.has(from)) this.repeated++;
    for (let j = from; j < to; j++) seen.add(j);
  }

  #of(key: string): Set<number> {
    const seen = this.#leased.get(key) ?? new Set<number>();
    this.#leased.set(key, seen);
    const [oldest] = this.#leased.keys();
    if (this.#leased.size > unitsKept && oldest !== undefined) this.#leased.delete(oldest);
    return seen;
  }
}

/** Samples that a block covers. */
export function samplesIn(unit: Unit, block: Block): number {
  const { from, to } = blockRange(block, unit.microBatches);
  const size = unit.to - unit.from;
  return microBatchRange(size, unit.microBatches, to - 1).to - microBatchRange(size, unit.microBatches, from).from;
}

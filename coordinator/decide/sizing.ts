/** How much a worker gets at once, and how long it may take: pure functions of what was measured. */
import type { WorkerRecords } from './workers.js';
import { sizeOf, type WorkerRecord, type Assignment } from './state.js';
import type { UnitWork } from './unit-work.js';

/**
 * A lease is late after so many times what it should take; and never before `leastMs`, which absorbs pauses of machine
 * and network.
 */
const patience = { times: 4, leastMs: 2000 };
const uploadPatience = { times: 8 };
/**
 * What an upload may take at the least: longer for a worker that nothing is held against, and that one would only lose
 * an upload of over a slow link.
 */
export const uploadLeastMs = { trusted: 10_000, other: 2000 };
/** So much of a micro-batch over a whole number is no reason to lease one more. */
const slack = 0.25;

/** All that the size of a lease depends on besides its worker and its unit. */
export interface Prices {
  readonly workers: WorkerRecords;
  /** Milliseconds that one contribution takes to come in. */
  readonly uploadMs: number;
}

/**
 * Micro-batches for the worker's next lease of the unit: what its share of all the speed entitles it to and it does not
 * have yet; when that is used up, its share of what is still free (guided self-scheduling). The allocator rounds down
 * to an aligned block. Never narrower than what makes the uploads worth their while.
 */
export function wantedMicroBatches(worker: WorkerRecord, work: UnitWork, prices: Prices): number {
  const share = prices.workers.shareOf(worker, work.cost);
  const due = entitled(work.unit.microBatches, share) - work.leasedTo(worker);
  return Math.max(due > 0 ? due : entitled(work.free.microBatches, share), narrowest(work, prices));
}

/** The most that one lease of an untouched unit would hold for the worker. */
export function fairMicroBatches(worker: WorkerRecord, work: UnitWork, prices: Prices): number {
  return Math.max(entitled(work.unit.microBatches, prices.workers.shareOf(worker, work.cost)), narrowest(work, prices));
}

function entitled(microBatches: number, share: number): number {
  return Math.max(1, Math.ceil(microBatches * share - slack));
}

/**
 * A unit cut into b blocks over as many workers takes M c / b + b u, with c the cost of a micro-batch and u that of
 * taking in one upload: least for b = sqrt(M c / u), which makes a block sqrt(M u / c) micro-batches wide.
 */
function narrowest({ unit, cost }: UnitWork, { workers, uploadMs }: Prices): number {
  const costMs = workers.averageCostMs(cost);
  if (unit.kind === 'evaluate' || costMs === null) return 1;
  return Math.floor(Math.sqrt((unit.microBatches * uploadMs) / costMs));
}

/** Milliseconds after which a lease is late. `firstMs` before anything was measured of the worker: kernels compile. */
export function patienceMs(
  worker: WorkerRecord,
  work: UnitWork,
  { assignment, firstMs }: { assignment: Assignment; firstMs: number },
): number {
  const costMs = worker.costMs.get(work.cost);
  if (costMs === undefined) return firstMs;
  return usualPatienceMs(worker.overheadMs + sizeOf(assignment) * costMs);
}

/** Milliseconds after which what should take `ms` is late. */
export function usualPatienceMs(ms: number): number {
  return Math.max(patience.leastMs, patience.times * ms);
}

/** How fast contributions come in, all together; measured over the times in which any is under way. */
export class UploadRate {
  /** Bytes a millisecond: first what a coordinator took in on one machine, then what is measured. */
  #bytesPerMs = 1e6;
  #open = 0;
  #sinceMs = 0;
  #busyMs = 0;
  #bytes = 0;

  /** Notes that the bytes of a contribution were asked for. */
  begin(nowMs: number): void {
    if (this.#open === 0) this.#sinceMs = nowMs;
    this.#open++;
  }

  /** @param bytes what came; 0 for one that was given up */
  end(nowMs: number, bytes: number): void {
    this.#open--;
    this.#bytes += bytes;
    if (this.#open > 0) return;
    this.#busyMs += nowMs - this.#sinceMs;
    // Below this, a clock of whole milliseconds measures itself.
    if (this.#busyMs < 50 || this.#bytes === 0) return;
    this.#bytesPerMs += 0.3 * (this.#bytes / this.#busyMs - this.#bytesPerMs);
    [this.#busyMs, this.#bytes] = [0, 0];
  }

  /** Milliseconds that one upload of so many bytes takes by itself. */
  msOf(bytes: number): number {
    return bytes / this.#bytesPerMs;
  }

  /** Milliseconds after which an upload that was asked for now is late; never before `leastMs`. */
  patienceMs(bytes: number, leastMs: number): number {
    return Math.max(leastMs, uploadPatience.times * (this.#open + 1) * this.msOf(bytes));
  }
}

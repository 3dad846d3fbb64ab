/** When a lease is late or lost, and how much of that a worker may do. */
import type { Machine } from './machine.js';
import { usualPatienceMs } from './sizing.js';
import { sizeOf, type LeaseRecord, type WorkerRecord } from './state.js';

/** How many wrong states a process may have before it is sent away for good. */
export const mismatchLimit = 3;
/** Leases without an answer after which a worker that does not move is sent away; it may come back. */
const missedLimit = 3;

/**
 * When the block is wanted of another as well. A worker of which nothing is measured yet may take long, since kernels
 * compile; that is no reason for one that has nothing else to do to wait for it.
 */
export function lateMsOf(m: Machine, { lateMs, startedMs, state, worker, assignment }: LeaseRecord): number {
  const work = m.workOf(assignment);
  const averageMs = m.workers.averageCostMs(work.cost);
  if (state !== 'computing' || averageMs === null || worker.costMs.has(work.cost)) return lateMs;
  return Math.min(lateMs, startedMs + usualPatienceMs(sizeOf(assignment) * averageMs));
}

/**
 * Whether a late lease is no longer waited for, so that it may be leased anew, to its own worker too: there may be no
 * other. Twice as patient after each that was missed, so that slow work comes to its end however slow it is.
 */
export function isLost({ missedMs, startedMs, worker }: LeaseRecord, nowMs: number): boolean {
  return nowMs - Math.max(missedMs, worker.movedMs) > (missedMs - startedMs) * 2 ** worker.missed;
}

/** Whether a worker is heard and answers nothing. */
export function isUnresponsive({ missed, movedMs, missedSinceMs }: WorkerRecord): boolean {
  return missed >= missedLimit && movedMs <= missedSinceMs;
}

/** When a lease is late. */
import type { Machine } from './machine.js';
import { usualPatienceMs } from './sizing.js';
import { sizeOf, type LeaseRecord } from './state.js';

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

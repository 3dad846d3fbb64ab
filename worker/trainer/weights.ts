/**
 * The weights of a lease: waited for, and loaded into the student. While the commit that they wait for is on its way,
 * micro-batches are labelled ahead: teachers are frozen, so labels do not depend on it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Lease } from '../../shared/protocol/messages.js';
import { TeacherFailure, type StudentCompute } from '../compute/contract.js';
import type { Inbox } from './inbox.js';
import type { MicroBatches } from './micro-batches.js';
import type { PhaseClock } from './phase-clock.js';

export interface WeightsOptions {
  readonly inbox: Inbox;
  readonly student: StudentCompute;
  readonly microBatches: MicroBatches;
  readonly clock: PhaseClock;
}

/**
 * Waits until the lease's weights are here and loads them into the student.
 *
 * @returns the hash of the state that they belong to; null when the lease has become void: it was cancelled, or its
 * step committed without it
 */
export async function loadWeights(lease: Lease, options: WeightsOptions): Promise<string | null> {
  const { inbox, student, microBatches, clock } = options;
  microBatches.keepOnly([lease, ...inbox.queue.waiting]);
  const isCancelled = (): boolean => inbox.queue.isCancelled;
  while (!isCancelled()) {
    const where = inbox.weightsAre(lease);
    if (where === 'ahead') return null;
    const place = { step: lease.step, microBatch: null, lease: lease.id };
    if (where === 'here') return clock.time('load', () => inbox.loadWeights(lease.step, student), place);
    const madeOne = await labelOne(microBatches, [lease, ...inbox.queue.waiting], clock);
    // The event loop must turn, or the weights' arrival is not seen.
    await nextTurn();
    if (!madeOne && !isCancelled() && inbox.weightsAre(lease) === 'behind')
      await clock.time('wait', () => inbox.queue.changed(), place);
  }
  return null;
}

/**
 * Labels the next micro-batch of these leases ahead. A teacher that fails is met again by the lease that the
 * micro-batch is for.
 *
 * @returns false when there is nothing to label
 */
async function labelOne(microBatches: MicroBatches, leases: readonly Lease[], clock: PhaseClock): Promise<boolean> {
  const next = microBatches.nextOf(leases);
  if (next === null) return false;
  const { lease, j } = next;
  try {
    await clock.time('labels', () => microBatches.start(next), { step: lease.step, microBatch: j, lease: lease.id });
  } catch (error) {
    if (!(error instanceof TeacherFailure)) throw error;
  }
  return true;
}

/** Who below a relay computes what next, and whose contribution comes in next. */
import { mayHelp, nextWaiting, take } from './granting.js';
import type { RelayMachine } from './relay-machine.js';
import type { RelayedWork } from './relayed-work.js';
import { uploadLeastMs, wantedMicroBatches } from './sizing.js';
import { hasFailed, type Assignment, type WorkerRecord } from './state.js';

/**
 * Gives a slot to one offered contribution and has it pulled. The first lease from above goes before the others, and in
 * it the leftmost missing contribution always finds a slot, so that each comes to its end.
 *
 * @returns whether one was taken
 */
export function pull(m: RelayMachine): boolean {
  const of = m.works.find((candidate) => m.isDue(candidate));
  if (of === undefined) return false;
  const lease = [...(nextWaiting(of)?.leases ?? [])].find(({ state }) => state === 'offered');
  if (lease === undefined) return false;
  const slot = of.slotOf(of.progress.take(lease.assignment.from));
  take(m, lease, { slot, work: of.work, leastMs: uploadLeastMs.trusted });
  return true;
}

/**
 * Leases one block to each worker that has nothing to do, of what is due, else ahead of the weights.
 *
 * @returns whether any was leased
 */
export function lease(m: RelayMachine): boolean {
  let isAnyLeased = false;
  for (const of of m.works) isAnyLeased = (m.isDue(of) ? leaseDue(m, of) : leaseAhead(m, of)) || isAnyLeased;
  return isAnyLeased;
}

function leaseDue(m: RelayMachine, of: RelayedWork): boolean {
  const idle = [...m.workers.ready].filter(({ current }) => current === null);
  let isAnyLeased = false;
  for (const worker of m.workers.fastestFirst(idle, of.work.cost, 'due')) {
    const assignment = assignmentFor(m, worker, of);
    if (assignment === null) continue;
    // A worker computes its leases in the order of their coming: nothing that is due may queue behind what is not.
    if (worker.tentative !== null) m.cancel(worker.tentative);
    m.grant(worker, of, assignment);
    isAnyLeased = true;
  }
  return isAnyLeased;
}

function leaseAhead(m: RelayMachine, of: RelayedWork): boolean {
  if (of.work.free.microBatches === 0) return false;
  const without = [...m.workers.ready].filter(({ tentative }) => tentative === null);
  let isAnyLeased = false;
  for (const worker of m.workers.fastestFirst(without, of.work.cost, 'ahead')) {
    const assignment = newAssignment(m, worker, of);
    if (assignment === null) break;
    m.grant(worker, of, assignment);
    isAnyLeased = true;
  }
  return isAnyLeased;
}

function assignmentFor(m: RelayMachine, worker: WorkerRecord, of: RelayedWork): Assignment | null {
  const { work } = of;
  for (const assignment of work.retry) if (!hasFailed(assignment, worker)) return assignment;
  if (work.free.microBatches > 0) return newAssignment(m, worker, of);
  for (const assignment of work.late) if (mayHelp(m, worker, assignment)) return assignment;
  return null;
}

function newAssignment(m: RelayMachine, worker: WorkerRecord, { work }: RelayedWork): Assignment | null {
  const block = work.free.take(wantedMicroBatches(worker, work, m.prices));
  return block === null ? null : work.open(block);
}

/** Gives back the leases from above of which a block has failed at every worker here. */
export function failHopeless(m: RelayMachine): void {
  const ready = [...m.workers.ready];
  if (ready.length === 0) return;
  for (const { work, lease: above } of m.works) {
    const hopeless = [...work.retry].find((assignment) => ready.every((worker) => hasFailed(assignment, worker)));
    if (hopeless === undefined) continue;
    m.emit({
      type: 'fail',
      lease: above,
      microBatch: m.failedAt.get(hopeless) ?? 0,
      reason: hopeless.failure,
      teacher: hopeless.blamed.at(-1) ?? undefined,
    });
    m.close(above);
  }
}

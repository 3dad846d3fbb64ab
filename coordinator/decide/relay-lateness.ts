/** Workers below a relay that are silent or late, and what becomes of what they hold. */
import { closeCodes } from '../../shared/protocol/messages.js';
import { allowanceMs } from '../../shared/protocol/round-trip.js';
import { isLost, isUnresponsive } from './lateness.js';
import type { RelayMachine } from './relay-machine.js';
import type { Assignment, WorkerRecord } from './state.js';

/** Lets go of the workers that say nothing. */
export function partSilent(m: RelayMachine): void {
  for (const worker of [...m.workers.all]) {
    const silentMs = m.nowMs - worker.heardMs;
    if (silentMs <= m.config.silenceMs + allowanceMs(worker.roundTrip)) continue;
    sendAway(m, worker, `silent for ${Math.round(silentMs)} ms`);
  }
}

function sendAway(m: RelayMachine, worker: WorkerRecord, reason: string): void {
  m.say('warn', `${worker.id} is sent away: ${reason}`);
  m.emit({ type: 'dismiss', worker: worker.id, code: closeCodes.tooSlow, reason });
  m.part(worker);
}

/** A due block whose leases are all late is wanted of one worker more; a lease that is lost is taken back. */
export function noticeLateness(m: RelayMachine): void {
  for (const of of m.works)
    if (m.isDue(of)) for (const assignment of [...of.work.assignments]) noticeLate(m, assignment, of.work.late);
  for (const worker of [...m.workers.all]) {
    if (isUnresponsive(worker))
      sendAway(m, worker, `${worker.missed} leases in a row without an answer or any progress`);
  }
}

function noticeLate(m: RelayMachine, assignment: Assignment, late: Set<Assignment>): void {
  const leases = [...assignment.leases].filter(({ state }) => state !== 'offered');
  if (leases.length === 0 || leases.some(({ lateMs }) => m.nowMs < lateMs)) return;
  late.add(assignment);
  for (const lease of leases) {
    const { worker, startedMs } = lease;
    if (assignment.lateAt.has(worker.id)) continue;
    assignment.lateAt.add(worker.id);
    m.say('warn', `${worker.id} is late with ${m.nameOf(lease)}, ${Math.round(m.nowMs - startedMs)} ms`);
  }
  for (const lease of leases) if (isLost(lease, m.nowMs)) m.cancel(lease);
}

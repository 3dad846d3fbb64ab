/**
 * How units end: committed, skipped, begun anew without a teacher, or given up with the run. settle() calls the
 * exported functions that return whether they changed anything, again and again until none does.
 */
import { counted } from '../../shared/counted.js';
import type { Machine, OpenUnit } from './machine.js';
import { askedFirst } from './asked-first.js';
import { isHopeless } from './failures.js';
import { nameOf, nameOfUnit, type WorkerRecord, type Assignment } from './state.js';
import type { Command } from './types.js';

/**
 * Training steps without an update, in a row, that end the run: it is the data, the recipe or a machine, and no chance.
 */
export const skipLimit = 3;

/** Ends the run when a stop was asked for and there is nothing left to wait for. @returns whether it did */
export function endIfStopped(m: Machine): boolean {
  const { stop, open } = m;
  if (stop === null || open?.isCommitting === true) return false;
  if (open === null && m.config.unitAt(m.index) === undefined) return false;
  if (open !== null && m.workers.ready.size > 0 && open.work.isFullyLeased && m.nowMs < stop.untilMs) return false;
  finish(m, 'stopped', stop.reason);
  return true;
}

/** Opens the next unit where none is open, or ends the run after the last one. @returns whether it did either */
export function openNext(m: Machine): boolean {
  if (m.open !== null) return false;
  const work = m.next ?? m.workAt(m.index);
  if (work === null) {
    finish(m, 'done', 'every unit of the plan is committed');
    return true;
  }
  m.next = null;
  m.openUnit(work);
  for (const worker of m.workers.all) startTentative(m, worker);
  return true;
}

/** Makes the lease due that the worker was given ahead for this unit. */
function startTentative(m: Machine, worker: WorkerRecord): void {
  const lease = worker.tentative;
  if (lease === null || m.open === null) return;
  if (!askedFirst(m).includes(worker)) return m.cancel(lease, 'others are asked first');
  worker.current = lease;
  worker.tentative = null;
  m.makeDue(lease, m.open.work);
}

/** Tells the shell to commit the open unit once the sum of all its micro-batches is there. @returns whether it did */
export function commitComplete(m: Machine): boolean {
  const { open } = m;
  if (open === null || open.isCommitting || open.progress.root === null) return false;
  open.isCommitting = true;
  const { work } = open;
  const reason = `${nameOfUnit(work.unit)}: ${counted(work.contributors.length, 'contribution')} of ${counted(new Set(work.contributors).size, 'worker')}`;
  m.emit({
    type: 'commit',
    index: work.index,
    unit: work.unit,
    slot: open.progress.root,
    skip: false,
    skips: m.skips,
    dropped: m.dropped,
    reason,
  });
  return true;
}

/**
 * Skips the open unit, begins it anew without a teacher, or ends the run, when a block has failed wherever it could be
 * tried.
 *
 * @returns whether it did
 */
export function giveUpHopeless(m: Machine): boolean {
  const { open } = m;
  if (open === null || open.isCommitting) return false;
  const hopeless = [...open.work.retry].find((assignment) => isHopeless(m, assignment));
  if (hopeless === undefined) return false;
  const text = `failed at ${[...new Set(hopeless.failedBy.map(({ id }) => id))].join(' and ')}`;
  const teacher = failedTeacher(m, hopeless);
  if (teacher === null) skip(m, open, `${nameOf(hopeless)} ${text}: ${hopeless.failure}`);
  else goOnWithout(m, open, teacher, `teacher ${teacher} ${text}, ${nameOf(hopeless)}: ${hopeless.failure}`);
  return true;
}

/**
 * The teacher to go on without: the one that failed last, or null when anything but a teacher of the run ever failed
 * the block.
 */
function failedTeacher(m: Machine, { blamed }: Assignment): string | null {
  return blamed.some((name) => name === null || m.dropped.includes(name)) ? null : (blamed.at(-1) ?? null);
}

/**
 * Begins the unit anew without the teacher, or ends the run where the recipe's policy is to stop, or no teacher is
 * left.
 */
function goOnWithout(m: Machine, open: OpenUnit, teacher: string, reason: string): void {
  const { onFailure = 'stop', teachers = [], mayDrop = true } = m.config.policy ?? {};
  const isLast = teachers.every((name) => name === teacher || m.dropped.includes(name));
  if (onFailure === 'stop') {
    const advice = isLast || !mayDrop ? '' : ' (--force --set ensemble.onFailure=drop goes on without it)';
    return finish(m, 'failed', `${reason}${advice}`);
  }
  if (isLast) return finish(m, 'failed', `${reason}; there is no other teacher to go on with`);
  abandon(m, open, reason);
  if (m.next !== null) {
    m.cancelAll(m.next, reason);
    m.leases.close(m.next, false);
    m.next = null;
  }
  // Sorted, since the order in which teachers fail depends on who was faster.
  m.dropped = [...m.dropped, teacher].sort();
  m.emit({ type: 'drop', teacher, unit: open.work.unit, reason });
  m.openUnit(open.work.anew());
}

function skip(m: Machine, open: OpenUnit, reason: string): void {
  const { work } = open;
  if (work.unit.kind === 'train' && m.skips + 1 >= skipLimit)
    return finish(m, 'failed', `${skipLimit} steps in a row have no update; ${reason}`);
  abandon(m, open, reason);
  m.say('warn', `${nameOfUnit(work.unit)} is skipped: ${reason}`);
  open.isCommitting = true;
  m.emit({
    type: 'commit',
    index: work.index,
    unit: work.unit,
    slot: null,
    skip: true,
    skips: m.skips,
    dropped: m.dropped,
    reason,
  });
}

/** Gives the unit's work up: its leases are cancelled and its slots are free. */
export function abandon(m: Machine, { work, progress }: OpenUnit, reason: string): void {
  m.cancelAll(work, reason);
  for (const slot of progress.slotsInUse) m.emit({ type: 'free', slot });
  m.leases.close(work, false);
}

/**
 * Ends the run: gives the open unit and the one after it up, and tells the shell why. Does nothing when the run is
 * over.
 */
export function finish(m: Machine, outcome: Extract<Command, { type: 'finish' }>['outcome'], reason: string): void {
  if (m.isOver) return;
  m.isOver = true;
  if (m.open !== null && !m.open.isCommitting) abandon(m, m.open, reason);
  if (m.next !== null) m.cancelAll(m.next, reason);
  m.emit({ type: 'finish', outcome, reason });
}

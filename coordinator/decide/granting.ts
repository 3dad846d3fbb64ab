/**
 * Who computes what next, and whose contribution comes in next. Each exported function is one of the questions of
 * settle().
 */
import { isWorthTryingElsewhere } from './commits.js';
import type { Machine } from './machine.js';
import { fairMicroBatches, wantedMicroBatches } from './sizing.js';
import { hasFailed, sizeOf, type Lease, type Member, type Task } from './state.js';
import type { UnitWork } from './unit-work.js';

/** Is there a slot for a contribution that waits? The leftmost missing one always has one. */
export function pullNext(m: Machine): boolean {
  const { open } = m;
  if (open === null || open.isCommitting || open.work.waiting.size === 0) return false;
  const { work, progress } = open;
  const task =
    work.waiting.get(progress.prefixEnd) ?? (progress.hasRoomForEarly ? leftmost(work.waiting.values()) : undefined);
  const lease = [...(task?.leases ?? [])].find(({ state }) => state === 'offered');
  if (lease === undefined) return false;
  take(m, lease, progress.take(lease.task.from));
  return true;
}

function take(m: Machine, lease: Lease, slot: number): void {
  const { task, member, id, bytes } = lease;
  if (bytes === 0) {
    m.emit({ type: 'accept', worker: member.id, id, slot });
    return m.accept(lease, slot);
  }
  lease.state = 'pulled';
  lease.slot = slot;
  lease.startedMs = m.nowMs;
  lease.lateMs = m.nowMs + m.uploads.patienceMs(bytes);
  m.workOf(task).place(task);
  m.uploads.begin(m.nowMs);
  m.emit({ type: 'pull', worker: member.id, id, slot });
}

function leftmost(tasks: Iterable<Task>): Task | undefined {
  let first: Task | undefined;
  for (const task of tasks) if (first === undefined || task.from < first.from) first = task;
  return first;
}

/** Is there work of the open unit for a worker that computes nothing of it? */
export function leaseOpen(m: Machine): boolean {
  const { open } = m;
  if (open === null || open.isCommitting || m.stop !== null) return false;
  const { work } = open;
  if (work.isFullyLeased && work.late.size === 0) return false;
  const idle = [...m.members.ready].filter(({ current }) => current === null);
  let isAnyLeased = false;
  for (const member of m.members.fastestFirst(idle, work.cost, 'due')) {
    const task = taskFor(m, member, work);
    if (task === null) continue;
    // A worker computes its leases in the order of their coming: nothing of this unit may queue behind the next one.
    if (member.tentative !== null) m.cancel(member.tentative, 'the open step needs the worker');
    m.grant(member, work, task);
    isAnyLeased = true;
    if (work.isFullyLeased && work.late.size === 0) break;
  }
  return isAnyLeased;
}

function taskFor(m: Machine, member: Member, work: UnitWork): Task | null {
  for (const task of work.retry) {
    if (!hasFailed(task, member) || !isWorthTryingElsewhere(m, task)) return task;
  }
  if (work.free.microBatches > 0) return freeTask(m, member, work);
  for (const task of work.late) if (mayHelp(m, member, task)) return task;
  return null;
}

/** One that was late with the block itself may try again only when nobody else is left. */
function mayHelp(m: Machine, member: Member, task: Task): boolean {
  if (hasFailed(task, member) || [...task.leases].some((lease) => lease.member === member)) return false;
  return (
    !task.lateAt.has(member.id) ||
    [...m.members.ready].every((other) => task.lateAt.has(other.id) || hasFailed(task, other))
  );
}

function freeTask(m: Machine, member: Member, work: UnitWork): Task | null {
  const block = work.free.take(wantedMicroBatches(member, work, m.prices));
  return block === null ? null : work.open(block);
}

/** Can a worker prepare for the next unit, while the rest of the open one is computed and committed? */
export function leaseAhead(m: Machine): boolean {
  const { open } = m;
  if (open === null || m.stop !== null || !(open.isCommitting || open.work.isFullyLeased)) return false;
  m.next ??= m.workAt(m.index + 1);
  const { next } = m;
  if (next === null) return false;
  if (next.free.microBatches === 0) return reopenForNewcomers(m, next);
  const without = [...m.members.ready].filter(({ tentative }) => tentative === null);
  let isAnyLeased = false;
  for (const member of m.members.fastestFirst(without, next.cost, 'ahead')) {
    const task = next.free.microBatches > 0 ? freeTask(m, member, next) : null;
    if (task === null) break;
    m.grant(member, next, task);
    isAnyLeased = true;
  }
  return isAnyLeased;
}

/**
 * Workers have nothing at all, and others were promised more than is fair by now: as many of those, the worst first,
 * are shared anew.
 */
function reopenForNewcomers(m: Machine, next: UnitWork): boolean {
  const newcomers = countIdle(m);
  if (newcomers === 0) return false;
  const { prices } = m;
  const tooMuch: { readonly lease: Lease; readonly excess: number }[] = [];
  for (const member of m.members.ready) {
    const lease = member.tentative;
    const excess = lease === null ? 0 : sizeOf(lease.task) - fairMicroBatches(member, next, prices);
    if (lease !== null && excess > 0) tooMuch.push({ lease, excess });
  }
  tooMuch.sort((a, b) => b.excess - a.excess).length = Math.min(tooMuch.length, newcomers);
  for (const { lease } of tooMuch) m.cancel(lease, 'shared with a worker that has joined');
  return tooMuch.length > 0;
}

/** Ready workers without any lease. */
function countIdle(m: Machine): number {
  let count = 0;
  for (const { leases } of m.members.ready) if (leases.size === 0) count++;
  return count;
}

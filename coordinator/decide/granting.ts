/**
 * Who computes what next, and whose contribution comes in next. settle() calls the exported functions again and again
 * until none of them changes anything.
 */
import { askedFirst } from './asked-first.js';
import { mayAnswer, openAudit, suspect, wantsAnswer, wantsAnyAnswer } from './audits.js';
import { isLeftTo, mayTry } from './failures.js';
import type { Machine, OpenUnit } from './machine.js';
import { fairMicroBatches, uploadLeastMs, wantedMicroBatches, type UploadRate } from './sizing.js';
import { hasFailed, sizeOf, type LeaseRecord, type WorkerRecord, type Assignment } from './state.js';
import type { Command, Slot } from './types.js';
import type { UnitWork } from './unit-work.js';
import { blockRange, type Block } from '../../shared/replica/reduction/tree.js';

/**
 * Gives a slot to one offered contribution and has it pulled. The leftmost missing contribution always finds a slot.
 *
 * @returns whether one was taken
 */
export function pullNext(m: Machine): boolean {
  const { open } = m;
  if (open === null || open.isCommitting || open.work.waiting.size === 0) return false;
  const { work, progress } = open;
  const assignment = nextWaiting(open);
  const settled = assignment?.audit?.settled ?? null;
  const lease = [...(assignment?.leases ?? [])].find(
    ({ state, digest }) => state === 'offered' && (settled === null || digest === settled),
  );
  if (lease === undefined) return false;
  if (lease.bytes === 0 && lease.assignment.unit.kind === 'train') {
    lease.norm = 0;
    if (suspect(m, lease)) return true;
  }
  const slot = progress.take(lease.assignment.from);
  take(m, lease, { slot, work, leastMs: uploadLeastMs[m.conduct.isTrusted(lease.worker) ? 'trusted' : 'other'] });
  return true;
}

/** The waiting contribution that may have the next slot; undefined where none may. */
export function nextWaiting({ work, progress }: Pick<OpenUnit, 'work' | 'progress'>): Assignment | undefined {
  const { waiting } = work;
  return waiting.get(progress.prefixEnd) ?? (progress.hasRoomForEarly ? leftmost(waiting.values()) : undefined);
}

/** What the bytes of contributions come to: a coordinator's state, or a relay's. */
interface Taker {
  readonly nowMs: number;
  readonly uploads: UploadRate;
  accept(lease: LeaseRecord, slot: Slot): void;
  emit(command: Extract<Command, { type: 'accept' | 'pull' }>): void;
}

/**
 * Takes an offered contribution into its slot: at once where it has no bytes, else it is pulled.
 * @param leastMs what an upload may take at the least, in milliseconds
 */
export function take(
  m: Taker,
  lease: LeaseRecord,
  { slot, work, leastMs }: { readonly slot: Slot; readonly work: UnitWork; readonly leastMs: number },
): void {
  const { assignment, worker, id, bytes } = lease;
  if (bytes === 0) {
    m.emit({ type: 'accept', worker: worker.id, id, slot });
    return m.accept(lease, slot);
  }
  lease.state = 'pulled';
  lease.slot = slot;
  lease.startedMs = m.nowMs;
  lease.lateMs = m.nowMs + m.uploads.patienceMs(bytes, leastMs);
  lease.missedMs = lease.lateMs;
  work.place(assignment);
  m.uploads.begin(m.nowMs);
  m.emit({ type: 'pull', worker: worker.id, id, slot });
}

function leftmost(assignments: Iterable<Assignment>): Assignment | undefined {
  let first: Assignment | undefined;
  for (const assignment of assignments) if (first === undefined || assignment.from < first.from) first = assignment;
  return first;
}

/**
 * Leases work of the open unit to the ready workers that compute nothing of it, fastest first.
 *
 * @returns whether any was leased
 */
export function leaseOpen(m: Machine): boolean {
  const { open } = m;
  if (open === null || open.isCommitting || m.stop !== null) return false;
  const { work } = open;
  const isAllGiven = (): boolean => work.isFullyLeased && work.late.size === 0 && !wantsAnyAnswer(m, work);
  if (isAllGiven()) return false;
  const asked = new Set(askedFirst(m));
  const idle = [...m.workers.ready].filter(({ current }) => current === null);
  let isAnyLeased = false;
  for (const worker of m.workers.fastestFirst(idle, work.cost, 'due')) {
    const assignment = asked.has(worker)
      ? assignmentFor(m, worker, work)
      : ([...work.retry].find((failed) => isLeftTo(m, worker, failed)) ?? null);
    if (assignment === null) continue;
    // A worker computes its leases in the order of their coming: nothing of this unit may queue behind the next one.
    if (worker.tentative !== null) m.cancel(worker.tentative, 'the open step needs the worker');
    m.grant(worker, work, assignment);
    isAnyLeased = true;
    if (isAllGiven()) break;
  }
  return isAnyLeased;
}

function assignmentFor(m: Machine, worker: WorkerRecord, work: UnitWork): Assignment | null {
  for (const assignment of work.retry) {
    if (mayTry(m, worker, assignment)) return assignment;
  }
  if (m.mayAudit)
    for (const assignment of work.assignments)
      if (wantsAnswer(assignment) && mayAnswer(m, worker, assignment)) return assignment;
  if (work.free.microBatches > 0) return newAssignment(m, worker, work);
  for (const assignment of work.late) if (mayHelp(m, worker, assignment)) return assignment;
  return null;
}

/**
 * Whether the worker may compute a block that others are late with. One that was late with it itself may try again only
 * when nobody else is left.
 */
export function mayHelp({ workers }: Pick<Machine, 'workers'>, worker: WorkerRecord, assignment: Assignment): boolean {
  if (hasFailed(assignment, worker) || [...assignment.leases].some((lease) => lease.worker === worker)) return false;
  return (
    !assignment.lateAt.has(worker.id) ||
    [...workers.ready].every((other) => assignment.lateAt.has(other.id) || hasFailed(assignment, other))
  );
}

function newAssignment(m: Machine, worker: WorkerRecord, work: UnitWork): Assignment | null {
  const block = work.free.take(wantedMicroBatches(worker, work, m.prices), likingOf(m, worker, work));
  return block === null ? null : openAudit(m, work.open(block));
}

/** How well a block's shards suit the worker; undefined where that makes no difference. */
function likingOf(
  { config: { shardsOf }, workers }: Machine,
  worker: WorkerRecord,
  { unit }: UnitWork,
): Liking | undefined {
  if (shardsOf === undefined) return undefined;
  return (block) => {
    const { from, to } = blockRange(block, unit.microBatches);
    return workers.holders.liking(worker.holds, shardsOf(unit, from, to), workers.ready.size - 1);
  };
}

type Liking = (block: Block) => number;

/**
 * Leases work of the next unit ahead, for workers to prepare while the rest of the open one is computed and committed.
 *
 * @returns whether anything was leased, or taken back to be shared anew
 */
export function leaseAhead(m: Machine): boolean {
  const { open } = m;
  if (open === null || m.stop !== null || !(open.isCommitting || open.work.isFullyLeased)) return false;
  m.next ??= m.workAt(m.index + 1);
  const { next } = m;
  if (next === null) return false;
  if (next.free.microBatches === 0) return reopenForNewcomers(m, next);
  const without = askedFirst(m).filter(({ tentative }) => tentative === null);
  let isAnyLeased = false;
  for (const worker of m.workers.fastestFirst(without, next.cost, 'ahead')) {
    const assignment = next.free.microBatches > 0 ? newAssignment(m, worker, next) : null;
    if (assignment === null) break;
    m.grant(worker, next, assignment);
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
  const tooMuch: { readonly lease: LeaseRecord; readonly excess: number }[] = [];
  for (const worker of m.workers.ready) {
    const lease = worker.tentative;
    const excess = lease === null ? 0 : sizeOf(lease.assignment) - fairMicroBatches(worker, next, prices);
    if (lease !== null && excess > 0) tooMuch.push({ lease, excess });
  }
  tooMuch.sort((a, b) => b.excess - a.excess).length = Math.min(tooMuch.length, newcomers);
  for (const { lease } of tooMuch) m.cancel(lease, 'shared with a worker that has joined');
  return tooMuch.length > 0;
}

/** Ready workers without any lease. */
function countIdle(m: Machine): number {
  let count = 0;
  for (const { leases } of m.workers.ready) if (leases.size === 0) count++;
  return count;
}

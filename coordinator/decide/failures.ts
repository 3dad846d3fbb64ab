/**
 * When a block that failed is given up. Nobody's word alone is enough: whoever has proved itself tries it before, and
 * of one origin no more than two that have not, since a peer may have as many names as it likes.
 */
import type { Machine } from './machine.js';
import { hasFailed, type Assignment, type WorkerRecord } from './state.js';

/** Processes of one origin without a contribution that was accepted, that are asked about a block. */
const newNames = 2;
/** How long a block is not given up while whoever has proved itself is away, in milliseconds. */
const provenAwayMs = 30_000;

/** Whether the block has failed wherever it could be tried, twice at the least, and somebody's word for it counts. */
export function isHopeless(m: Machine, assignment: Assignment): boolean {
  const { failedBy, failedMs } = assignment;
  if (failedBy.length < 2 || failedMs === null || m.workers.ready.size === 0) return false;
  for (const worker of m.workers.ready) if (couldTry(m, worker, assignment)) return false;
  return m.nowMs - failedMs >= waitMs(m, assignment);
}

/** How long it is waited for another that may try the block. */
function waitMs(m: Machine, { failedBy }: Assignment): number {
  if (failedBy.some((worker) => m.conduct.isProvenOrigin(worker))) return 0;
  if (m.conduct.isAnyProven) return provenAwayMs;
  return new Set(failedBy.map(({ origin }) => origin)).size > 1 ? 0 : (m.config.secondOpinionMs ?? 0);
}

/** Whether the worker may compute a block that has failed: it has not tried, or there is nobody else to try again. */
export function mayTry(m: Machine, worker: WorkerRecord, assignment: Assignment): boolean {
  if (isWorthTryingAt(m, worker, assignment)) return true;
  return assignment.failedBy.length < 2 && !isWorthTrying(m, assignment);
}

/** Whether the block is this worker's though it rests: it could compute it, and nobody who does not rest is left to. */
export function isLeftTo(m: Machine, worker: WorkerRecord, assignment: Assignment): boolean {
  return couldTry(m, worker, assignment) && !isWorthTrying(m, assignment);
}

function isWorthTrying(m: Machine, assignment: Assignment): boolean {
  for (const worker of m.workers.ready) if (isWorthTryingAt(m, worker, assignment)) return true;
  return false;
}

function isWorthTryingAt(m: Machine, worker: WorkerRecord, assignment: Assignment): boolean {
  return !m.conduct.isResting(worker, m.nowMs) && couldTry(m, worker, assignment);
}

/** Whether its word about the block is still wanted. One that rests is not waited for once it was late with the block. */
function couldTry(m: Machine, worker: WorkerRecord, assignment: Assignment): boolean {
  if (hasFailed(assignment, worker)) return false;
  if (assignment.lateAt.has(worker.id) && m.conduct.isResting(worker, m.nowMs)) return false;
  if (m.conduct.isProven(worker)) return true;
  const ofOrigin = assignment.failedBy.filter(({ origin }) => origin === worker.origin);
  return new Set(ofOrigin.map(({ process }) => process)).size < newNames;
}

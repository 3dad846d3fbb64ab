/**
 * Audits: some blocks are computed by two workers, and none of their contributions is summed before two have the same
 * bits, since bits are the same whoever computes. Where they differ a third decides; whoever was wrong is turned away,
 * and the step is begun anew where it has contributed to it. Workers cannot tell an audit from any other lease.
 *
 * Where nobody else is left to ask, each of those that differ is asked once more: a device that is broken now and then
 * gives another answer then. Two that stay with theirs are decided for the one that has agreed with others more often,
 * or else answered first, and nobody is turned away.
 */
import { closeCodes } from '../../shared/protocol/messages.js';
import { abandon } from './commits.js';
import { lateMsOf } from './lateness.js';
import type { Machine, OpenUnit } from './machine.js';
import {
  hasFailed,
  nameOf,
  nameOfUnit,
  type Assignment,
  type Audit,
  type LeaseRecord,
  type WorkerRecord,
} from './state.js';
import type { UnitWork } from './unit-work.js';

/** Makes the block one that is audited, where it is chosen. */
export function openAudit(m: Machine, assignment: Assignment): Assignment {
  if (m.config.audits?.isChosen(assignment.unit, assignment.block) === true)
    assignment.audit = { answers: [], settled: null, suspect: null };
  return assignment;
}

/**
 * Has a block computed by another worker as well, before it is summed, where its contribution is out of proportion.
 * Equal bits show that it is right; else it is as with any audit.
 *
 * @returns whether it is not summed now
 */
export function suspect(m: Machine, lease: LeaseRecord): boolean {
  const { assignment, worker, norm } = lease;
  if (assignment.unit.kind !== 'train' || assignment.audit !== null || norm === null) return false;
  const doubt = m.proportion.doubt(norm);
  if (doubt === null) return false;
  const answers = [...assignment.leases].flatMap(({ worker: { id, process, origin }, digest }) =>
    digest === '' ? [] : [{ worker: id, process, origin, digest }],
  );
  assignment.audit = { answers, settled: null, suspect: lease.digest };
  m.mayAudit = true;
  lease.state = 'offered';
  m.workOf(assignment).place(assignment);
  m.say('warn', `${worker.id} gave a contribution for ${nameOf(assignment)} that is compared with another's: ${doubt}`);
  return true;
}

/** Whether the block waits for an answer that nobody computes yet. */
export function wantsAnswer({ audit, leases }: Assignment): boolean {
  if (audit?.settled !== null) return false;
  const computing = [...leases].filter(({ state }) => state === 'computing').length;
  return isDisputed(audit) ? computing === 0 : computing + processesOf(audit).size < 2;
}

/** Whether any block of the unit does. */
export function wantsAnyAnswer(m: Machine, work: UnitWork): boolean {
  return m.mayAudit && [...work.assignments].some(wantsAnswer);
}

/** Whether the worker may be asked: of another host than those that were, as long as there is one. */
export function mayAnswer(m: Machine, worker: WorkerRecord, assignment: Assignment): boolean {
  const { audit } = assignment;
  if (audit === null || !isComparable(m, worker, assignment)) return false;
  if (isNew(worker, assignment))
    return !isKnownHost(worker, assignment) || !others(m, assignment).some((other) => !isKnownHost(other, assignment));
  const timesAsked = audit.answers.filter(({ process }) => process === worker.process).length;
  return isDisputed(audit) && timesAsked === 1 && others(m, assignment).length === 0;
}

/** Takes a worker's answer to an audited block. @returns whether it may still count */
export function answer(m: Machine, lease: LeaseRecord, digest: string): boolean {
  const { assignment, worker } = lease;
  const { audit } = assignment;
  if (audit === null) return true;
  const { id, process, origin } = worker;
  audit.answers.push({ worker: id, process, origin, digest });
  if (audit.settled === null || audit.settled === digest) return true;
  accuse(m, assignment, [{ worker: id, process }]);
  return false;
}

/** Settles the audits of the open unit of which enough is known. @returns whether any was */
export function settleAudits(m: Machine): boolean {
  const { open } = m;
  if (!m.mayAudit || open === null || open.isCommitting) return false;
  for (const assignment of open.work.assignments) {
    const digest = verdictOn(m, assignment);
    if (digest === null) continue;
    settle(m, open, { assignment, digest });
    return true;
  }
  return false;
}

/** The digest that counts; null while more is to be asked. */
function verdictOn(m: Machine, assignment: Assignment): string | null {
  const { audit, leases } = assignment;
  const [first] = audit?.answers ?? [];
  if (audit?.settled !== null || first === undefined) return null;
  for (const { digest } of audit.answers) if (backersOf(audit, digest).size > 1) return digest;
  if ([...leases].some((lease) => lease.state === 'computing' && !isGivenUp(m, audit, lease))) return null;
  for (const worker of m.workers.ready)
    if (mayAnswer(m, worker, assignment) && !(worker.current !== null && isGivenUp(m, audit, worker.current)))
      return null;
  return isDisputed(audit) ? mostTrusted(m, audit) : first.digest;
}

/**
 * Whether its answer, or its worker's next one, is no longer waited for. A contribution that is only out of proportion
 * does not stall the step for a worker that never answers; a block that was chosen waits until the lease is taken back.
 */
function isGivenUp(m: Machine, { suspect: doubted }: Audit, lease: LeaseRecord): boolean {
  return doubted !== null && m.nowMs >= lateMsOf(m, lease);
}

function settle(
  m: Machine,
  open: OpenUnit,
  { assignment, digest }: { readonly assignment: Assignment; readonly digest: string },
): void {
  const { audit } = assignment;
  if (audit === null) return;
  audit.settled = digest;
  const backers = backersOf(audit, digest);
  const wrong = [
    ...new Map(audit.answers.filter((one) => one.digest !== digest).map((one) => [one.process, one])).values(),
  ];
  if (backers.size < 2) sayUnaudited(m, assignment, wrong.length > 0);
  else {
    for (const process of backers) m.conduct.agree(process);
    if (wrong.length > 0) accuse(m, assignment, wrong);
  }
  for (const lease of [...assignment.leases])
    if (lease.state === 'offered' && lease.digest !== digest) m.cancel(lease, 'its contribution has other bits');
  open.work.place(assignment);
  if (backers.size > 1 && wrong.some(({ process }) => open.work.hasContributed(process))) {
    const reason = `${nameOf(assignment)}: what ${wrong.map(({ worker }) => worker).join(' and ')} contributed is computed again`;
    abandon(m, open, reason);
    m.say('warn', `${nameOfUnit(open.work.unit)} is begun anew: ${reason}`);
    m.openUnit(open.work.anew());
  }
}

/** Nothing could be compared, or nobody could decide. */
function sayUnaudited(m: Machine, assignment: Assignment, isDispute: boolean): void {
  if (isDispute) {
    const answers = assignment.audit?.answers ?? [];
    const text = `${nameOf(assignment)}: ${answers.map(({ worker, digest }) => `${worker} has ${digest}`).join(', ')}, and there is nobody to decide`;
    m.say('error', text);
    const workers = [...new Map(answers.map((one) => [one.process, workerOf(one)])).values()];
    m.emit({ type: 'audit', assignment: placeOf(assignment), outcome: 'undecided', workers, text });
  } else if (assignment.audit?.suspect !== null) {
    m.say('warn', `${nameOf(assignment)} is summed as it is: no other worker of the same numerics has computed it`);
  } else if (!m.isUnauditedSaid) {
    m.isUnauditedSaid = true;
    m.say('warn', `${nameOf(assignment)} is not audited: no other worker of the same numerics is there to compute it`);
  }
}

/** Names who was wrong, and turns it away. */
function accuse(
  m: Machine,
  assignment: Assignment,
  wrong: readonly { readonly worker: string; readonly process: string }[],
): void {
  const names = wrong.map(({ worker }) => worker).join(' and ');
  const text = `${names} gave other bits for ${nameOf(assignment)} than those that were confirmed: its device is broken, or it lies`;
  m.say('error', text);
  m.emit({ type: 'audit', assignment: placeOf(assignment), outcome: 'lie', workers: wrong.map(workerOf), text });
  for (const worker of [...m.workers.all]) {
    if (!wrong.some(({ process }) => process === worker.process)) continue;
    m.conduct.strike(worker, 0, m.nowMs);
    m.emit({
      type: 'dismiss',
      worker: worker.id,
      code: closeCodes.refused,
      reason: 'an audit has found other bits than those that were confirmed',
    });
    m.part(worker);
  }
}

function placeOf({ unit, from, to }: Assignment): {
  readonly step: number;
  readonly from: number;
  readonly to: number;
} {
  return { step: unit.step, from, to };
}

function workerOf({ worker, process }: { readonly worker: string; readonly process: string }): {
  worker: string;
  process: string;
} {
  return { worker, process };
}

/** Ready workers that have not been asked and may be. */
function others(m: Machine, assignment: Assignment): WorkerRecord[] {
  return [...m.workers.ready].filter((worker) => isComparable(m, worker, assignment) && isNew(worker, assignment));
}

function isComparable(m: Machine, worker: WorkerRecord, assignment: Assignment): boolean {
  if (hasFailed(assignment, worker) || m.conduct.isResting(worker, m.nowMs)) return false;
  const [lease] = assignment.leases;
  return lease === undefined || lease.worker.numerics === worker.numerics;
}

function isNew({ process }: WorkerRecord, { audit, leases }: Assignment): boolean {
  if (audit?.answers.some((one) => one.process === process) === true) return false;
  return ![...leases].some(({ worker }) => worker.process === process);
}

function isKnownHost({ origin }: WorkerRecord, { audit, leases }: Assignment): boolean {
  if (audit?.answers.some((one) => one.origin === origin) === true) return true;
  return [...leases].some(({ worker }) => worker.origin === origin);
}

function isDisputed({ answers }: Audit): boolean {
  return new Set(answers.map(({ digest }) => digest)).size > 1;
}

function processesOf({ answers }: Audit): Set<string> {
  return new Set(answers.map(({ process }) => process));
}

/** Who has come to this digest, by its newest answer. */
function backersOf({ answers }: Audit, digest: string): Set<string> {
  const newest = new Map(answers.map((one) => [one.process, one.digest]));
  return new Set([...newest].filter(([, its]) => its === digest).map(([process]) => process));
}

/** The answer of who has agreed with others most often; among equals the first that is in proportion. */
function mostTrusted(m: Machine, { answers, suspect: doubted }: Audit): string | null {
  const [first, ...rest] = answers;
  if (first === undefined) return null;
  const trust = ({ process, digest }: Audit['answers'][number]): number =>
    2 * m.conduct.agreementsOf(process) + (digest === doubted ? 0 : 1);
  return rest.reduce((best, one) => (trust(one) > trust(best) ? one : best), first).digest;
}

/**
 * What each event does to the state, by itself. What follows from it is asked in decide.ts, after every event alike.
 */
import { counted } from '../../shared/counted.js';
import { closeCodes } from '../../shared/protocol/messages.js';
import { allowanceMs, withMeasured } from '../../shared/protocol/round-trip.js';
import { answer, suspect } from './audits.js';
import { finish } from './commits.js';
import type { Identity } from './conduct.js';
import { isLost, isUnresponsive, lateMsOf, mismatchLimit } from './lateness.js';
import type { Machine } from './machine.js';
import { nameOf, sizeOf, type LeaseRecord, type WorkerRecord, type Assignment } from './state.js';
import type { Event } from './types.js';

type Heard<T extends Event['type']> = Extract<Event, { type: T }>;

/** How long a stop waits for the open step. */
const stopMs = 10_000;

/** Takes one event into the state, and emits the commands that follow from it alone. */
export function hear(m: Machine, event: Event): void {
  const worker = 'worker' in event ? m.workers.get(event.worker) : undefined;
  if (worker !== undefined) worker.heardMs = event.nowMs;
  switch (event.type) {
    case 'join':
      return onJoin(m, event);
    case 'ready':
      return onReady(m, event);
    case 'heard':
      return worker === undefined ? undefined : onHeard(worker, event);
    case 'offer':
      return onOffer(m, event);
    case 'received':
      return onReceived(m, event);
    case 'failed':
      return onFailed(m, event);
    case 'differs':
      return worker === undefined ? undefined : onWrongState(m, worker, event);
    case 'leave':
      return onLeave(m, event);
    case 'committed':
      return onCommitted(m, event);
    case 'stop':
      m.stop ??= { reason: event.reason, untilMs: event.nowMs + stopMs };
      if (m.next !== null) m.cancelAll(m.next, 'the run stops');
      return;
    case 'tick':
      return onTick(m);
    default: {
      const unknown: never = event;
      throw new Error(`event ${JSON.stringify(unknown)}`);
    }
  }
}

function onJoin(m: Machine, { worker, process = worker, origin = process, nowMs }: Heard<'join'>): void {
  m.workers.add(worker, { process, origin }, nowMs);
}

function onHeard(worker: WorkerRecord, { progress, rttMs, nowMs }: Heard<'heard'>): void {
  if (progress !== worker.progress) worker.movedMs = nowMs;
  worker.progress = progress;
  if (rttMs !== undefined) worker.roundTrip = withMeasured(worker.roundTrip, rttMs);
}

function onReady(m: Machine, event: Heard<'ready'>): void {
  const worker = m.workers.get(event.worker);
  if (worker === undefined) return;
  if (event.step === m.steps && event.stateHash !== m.stateHash)
    return onWrongState(m, worker, { ...event, wanted: m.stateHash });
  worker.numerics = event.numerics ?? '';
  m.workers.markReady(worker);
}

function onOffer(m: Machine, event: Heard<'offer'>): void {
  const lease = m.leases.find(event.worker, event.lease);
  const isNew = lease?.state === 'computing';
  if (lease !== undefined) compareDigests(m, lease, event.digest);
  // Weights after a step that is not committed do not exist yet.
  if (!isNew || event.step !== lease.assignment.unit.step || event.step !== m.steps) return m.leases.refuse();
  if (event.stateHash !== m.stateHash) {
    m.leases.refuse();
    return onWrongState(m, lease.worker, { ...event, wanted: m.stateHash });
  }
  learn(m, lease, event.computeSeconds);
  if (event.bytes === 0) lease.worker.missed = 0;
  lease.state = 'offered';
  [lease.bytes, lease.digest] = [event.bytes, event.digest];
  letGo(lease);
  if (!answer(m, lease, event.digest)) return;
  giveUpLateUpload(m, lease);
  const work = m.workOf(lease.assignment);
  work.late.delete(lease.assignment);
  work.place(lease.assignment);
}

/** The worker may have its next lease. */
function letGo(lease: LeaseRecord): void {
  const { worker } = lease;
  if (worker.current === lease) worker.current = null;
  if (worker.tentative === lease) worker.tentative = null;
}

/** A block that was leased again because its upload hung, and is here: the upload is not waited for any longer. */
function giveUpLateUpload(m: Machine, lease: LeaseRecord): void {
  for (const other of [...lease.assignment.leases]) {
    if (other.state === 'pulled' && other.startedMs < lease.startedMs) m.cancel(other, 'its upload is late');
  }
}

function compareDigests(m: Machine, { assignment, worker }: LeaseRecord, digest: string): void {
  const { audit } = assignment;
  const first = assignment.digest;
  assignment.digest ??= { value: digest, worker: worker.id };
  if (first === null || first.value === digest || audit !== null) return;
  m.say(
    'error',
    `${first.worker} and ${worker.id} computed other bytes for ${nameOf(assignment)}: ${first.value} and ${digest}`,
  );
}

function learn(m: Machine, { assignment, worker, startedMs }: LeaseRecord, computeSeconds: number): void {
  const computeMs = Math.max(computeSeconds * 1000, 1e-3);
  m.workers.learn(worker, m.workOf(assignment).cost, {
    costMs: computeMs / sizeOf(assignment),
    overheadMs: Math.max(0, m.nowMs - startedMs - computeMs),
  });
}

/**
 * The worker starts again from a snapshot; the third time it is sent away. Two that agree are right and the coordinator
 * is not.
 */
function onWrongState(
  m: Machine,
  worker: WorkerRecord,
  { step, stateHash, wanted }: { step: number; stateHash: string; wanted: string },
): void {
  const { dissent } = m;
  const count = (m.mismatches.get(worker.process) ?? 0) + 1;
  m.mismatches.set(worker.process, count);
  m.dissent = { step, stateHash, worker };
  const text = `its state after ${counted(step, 'step')} is ${stateHash}, the run's ${wanted}`;
  if (count < mismatchLimit) m.emit({ type: 'resync', worker: worker.id, reason: text });
  else turnAway(m, worker, `${text}, ${mismatchLimit} times by now`);
  m.part(worker);
  if (
    m.config.isRebuilt === true ||
    dissent?.step !== step ||
    dissent.stateHash !== stateHash ||
    !areTwo(m, dissent.worker, worker)
  )
    return;
  finish(
    m,
    'rebuild',
    `two workers agree on the state after ${counted(step, 'step')} (${stateHash}) and the coordinator has ${wanted}`,
  );
}

/** Whether they are not one peer under two names: of two origins, or each has proved itself. */
function areTwo({ conduct }: Machine, one: Identity, other: Identity): boolean {
  if (one.process === other.process) return false;
  return one.origin !== other.origin || (conduct.isProven(one) && conduct.isProven(other));
}

function turnAway(m: Machine, { id }: WorkerRecord, reason: string): void {
  m.say('warn', `${id} is turned away: ${reason}`);
  m.emit({ type: 'dismiss', worker: id, code: closeCodes.refused, reason });
}

function onReceived(m: Machine, event: Heard<'received'>): void {
  const lease = m.leases.find(event.worker, event.lease);
  if (lease?.state !== 'pulled' || lease.slot === null) return m.leases.refuse();
  m.uploads.end(m.nowMs, lease.bytes);
  lease.worker.missed = 0;
  lease.norm = event.norm ?? null;
  if (suspect(m, lease)) return setAside(m, lease);
  m.accept(lease, lease.slot);
}

/** The contribution may be pulled again, once it is known to be right. */
function setAside(m: Machine, lease: LeaseRecord): void {
  const { slot, worker, id, assignment } = lease;
  m.emit({ type: 'setAside', worker: worker.id, id });
  if (slot === null) return;
  m.open?.progress.giveBack(assignment.from, slot);
  m.emit({ type: 'free', slot });
  lease.slot = null;
}

function onFailed(m: Machine, event: Heard<'failed'>): void {
  const lease = m.leases.find(event.worker, event.lease);
  if (lease === undefined || lease.state === 'accepted' || lease.state === 'returned') return m.leases.refuse();
  const reason = event.microBatch === undefined ? event.reason : `micro-batch ${event.microBatch}: ${event.reason}`;
  lease.assignment.failedBy.push(lease.worker);
  lease.assignment.failedMs ??= m.nowMs;
  lease.assignment.blamed.push(event.teacher ?? null);
  lease.assignment.failure = reason;
  m.say(
    'warn',
    `${lease.worker.id} failed ${nameOf(lease.assignment)}: ${event.teacher === undefined ? '' : `teacher ${event.teacher}: `}${reason}`,
  );
  m.giveBack(lease);
}

function onLeave(m: Machine, event: Heard<'leave'>): void {
  const worker = m.workers.get(event.worker);
  if (worker === undefined) return;
  const held = worker.leases.size;
  if (event.isFault === true) m.conduct.strike(worker, 0, m.nowMs);
  m.say(
    'info',
    `${worker.id} left: ${event.reason}${held === 0 ? '' : `; ${held === 1 ? 'its lease is' : `its ${held} leases are`} open again`}`,
  );
  m.part(worker);
}

/** @throws Error when nothing was to be committed: a bug of the shell */
function onCommitted(m: Machine, event: Heard<'committed'>): void {
  const { open } = m;
  if (open === null || !open.isCommitting || open.work.index !== event.unit)
    throw new Error(`unit ${event.unit} was committed, which was not asked for`);
  const { work } = open;
  // A skip's are closed already.
  m.leases.close(work, true);
  m.open = null;
  m.index++;
  m.stateHash = event.stateHash;
  if (work.unit.kind === 'train') {
    m.steps = work.unit.step + 1;
    m.skips = event.isSkipped ? m.skips + 1 : 0;
    for (const worker of m.workers.ready) if (work.leasedTo(worker) === 0) m.workers.doubtSlowness(worker, work.cost);
    m.emit({ type: 'release', step: work.unit.step, stateHash: event.stateHash });
  }
  if (event.stopEarly) finish(m, 'done', 'evaluations do not get better');
}

function onTick(m: Machine): void {
  for (const worker of [...m.workers.all]) {
    const silentMs = m.nowMs - worker.heardMs;
    if (silentMs <= m.config.silenceMs + allowanceMs(worker.roundTrip)) continue;
    m.say('warn', `${worker.id} is silent for ${Math.round(silentMs)} ms`);
    m.emit({
      type: 'dismiss',
      worker: worker.id,
      code: closeCodes.tooSlow,
      reason: `silent for ${Math.round(silentMs)} ms`,
    });
    m.part(worker);
  }
  if (m.open !== null) for (const assignment of m.open.work.assignments) noticeLateness(m, assignment);
  for (const worker of [...m.workers.all]) dismissUnresponsive(m, worker);
}

/** A block whose leases are all late wants one worker more, and again once that one is late or gone. */
function noticeLateness(m: Machine, assignment: Assignment): void {
  const work = m.workOf(assignment);
  const leases = [...assignment.leases].filter(({ state }) => state !== 'offered');
  if (leases.some((lease) => m.nowMs < lateMsOf(m, lease))) return;
  if (work.waiting.has(assignment.from)) return takeBackLost(m, leases);
  // Its answers are here, and another one is asked for.
  if (leases.length === 0) return;
  work.late.add(assignment);
  for (const { worker, startedMs } of leases.filter(({ worker: { id } }) => !assignment.lateAt.has(id))) {
    assignment.lateAt.add(worker.id);
    m.lateTimes++;
    m.say('warn', `${worker.id} is late with ${nameOf(assignment)}, ${Math.round(m.nowMs - startedMs)} ms`);
  }
  takeBackLost(m, leases);
}

/** Also of a block that waits for a slot: whoever is lost with it is wanted for other work, such as another's audit. */
function takeBackLost(m: Machine, leases: readonly LeaseRecord[]): void {
  for (const lease of leases) if (isLost(lease, m.nowMs)) m.cancel(lease, 'no answer and no progress');
}

/** It is heard and answers nothing: a new connection gives it a new start, or shows that it has none. */
function dismissUnresponsive(m: Machine, worker: WorkerRecord): void {
  if (!isUnresponsive(worker)) return;
  const reason = `${worker.missed} leases in a row without an answer or any progress`;
  m.say('warn', `${worker.id}: ${reason}`);
  m.emit({ type: 'dismiss', worker: worker.id, code: closeCodes.tooSlow, reason });
  m.part(worker);
}

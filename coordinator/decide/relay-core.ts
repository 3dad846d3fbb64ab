/**
 * The pure core of a relay: the leases that came from above are split over the workers below, and each comes back as one
 * contribution, summed in tree order. A block that is lost, late or failed below is leased there again; one that nobody
 * here can compute goes back. What is accepted once counts once: the first contribution of a block ends its other leases.
 */
import { counted } from '../../shared/counted.js';
import { closeCodes } from '../../shared/protocol/messages.js';
import { withMeasured } from '../../shared/protocol/round-trip.js';
import { mismatchLimit } from './lateness.js';
import { RelayMachine } from './relay-machine.js';
import { noticeLateness, partSilent } from './relay-lateness.js';
import { failHopeless, lease, pull } from './relay-granting.js';
import type { LeaseRecord, WorkerRecord } from './state.js';
import { sizeOf } from './state.js';
import type { RelayCommand, RelayConfig, RelayEvent } from './relay-types.js';

type Heard<T extends RelayEvent['type']> = Extract<RelayEvent, { type: T }>;

export class RelayCore {
  readonly #m: RelayMachine;

  constructor(config: RelayConfig) {
    this.#m = new RelayMachine(config);
  }

  /** Leases from above that are not answered yet. */
  get openLeases(): number {
    return this.#m.works.length;
  }

  /** Workers below that may be leased to. */
  get readyWorkers(): number {
    return this.#m.workers.ready.size;
  }

  /** Takes in what has happened. @returns what is to be done, in order */
  handle(event: RelayEvent): RelayCommand[] {
    const m = this.#m;
    m.nowMs = event.nowMs;
    hear(m, event);
    // Each changes what the others look at.
    do {
      failHopeless(m);
      m.reportComplete();
    } while (pull(m) || lease(m));
    return m.takeCommands();
  }
}

function hear(m: RelayMachine, event: RelayEvent): void {
  const worker = 'worker' in event ? m.workers.get(event.worker) : undefined;
  if (worker !== undefined) worker.heardMs = event.nowMs;
  switch (event.type) {
    case 'join':
      return m.workers.add(event.worker, { process: event.process, origin: event.process }, m.nowMs);
    case 'ready':
      return worker === undefined ? undefined : m.workers.markReady(worker);
    case 'heard':
      return worker === undefined ? undefined : onHeard(worker, event);
    case 'leave':
      return worker === undefined ? undefined : onLeave(m, worker, event);
    case 'leased':
      return m.open(event);
    case 'cancelled':
      return m.close(event.lease);
    case 'disconnected':
      return m.closeAll();
    case 'weights':
      return m.moveTo(event.step, event.stateHash);
    case 'offer':
      return onOffer(m, event);
    case 'received':
      return onReceived(m, event);
    case 'failed':
      return onFailed(m, event);
    case 'differs':
      return worker === undefined ? undefined : onDiffers(m, worker, event);
    case 'tick':
      partSilent(m);
      return noticeLateness(m);
    default: {
      const unknown: never = event;
      throw new Error(`event ${JSON.stringify(unknown)}`);
    }
  }
}

function onHeard(worker: WorkerRecord, { progress, rttMs, nowMs }: Heard<'heard'>): void {
  if (progress !== worker.progress) worker.movedMs = nowMs;
  worker.progress = progress;
  if (rttMs !== undefined) worker.roundTrip = withMeasured(worker.roundTrip, rttMs);
}

function onLeave(m: RelayMachine, worker: WorkerRecord, { reason }: Heard<'leave'>): void {
  const held = worker.leases.size;
  const open = held === 0 ? '' : `; ${held === 1 ? 'its lease is' : `its ${held} leases are`} open again`;
  m.say('info', `${worker.id} left: ${reason}${open}`);
  m.part(worker);
}

function onOffer(m: RelayMachine, event: Heard<'offer'>): void {
  const found = m.leases.find(event.worker, event.lease);
  // A cancel has crossed it, it came twice, or it is of weights that are not there.
  if (found?.state !== 'computing' || found.assignment.unit.step !== m.step) return m.leases.refuse();
  if (event.stateHash !== m.stateHash) {
    m.leases.refuse();
    return onDiffers(m, found.worker, { ...event, wanted: m.stateHash });
  }
  learn(m, found, event.computeSeconds);
  found.state = 'offered';
  found.bytes = event.bytes;
  const { worker, assignment } = found;
  if (worker.current === found) worker.current = null;
  // It was leased again since an upload hung, and is here: that upload is not waited for any longer.
  for (const other of [...assignment.leases])
    if (other.state === 'pulled' && other.startedMs < found.startedMs) m.cancel(other);
  const { work } = m.workOf(found);
  work.late.delete(assignment);
  work.place(assignment);
}

function learn(m: RelayMachine, { assignment, worker, startedMs }: LeaseRecord, computeSeconds: number): void {
  const computeMs = Math.max(computeSeconds * 1000, 1e-3);
  m.workers.learn(worker, m.workOf({ assignment }).work.cost, {
    costMs: computeMs / sizeOf(assignment),
    overheadMs: Math.max(0, m.nowMs - startedMs - computeMs),
  });
}

function onReceived(m: RelayMachine, { worker, lease: id }: Heard<'received'>): void {
  const found = m.leases.find(worker, id);
  if (found?.state !== 'pulled' || found.slot === null) return m.leases.refuse();
  m.uploads.end(m.nowMs, found.bytes);
  m.accept(found, found.slot);
}

function onFailed(m: RelayMachine, { worker, lease: id, reason, microBatch, teacher }: Heard<'failed'>): void {
  const found = m.leases.find(worker, id);
  if (found === undefined || found.state === 'accepted' || found.state === 'returned') return m.leases.refuse();
  const { assignment } = found;
  assignment.failedBy.push(found.worker);
  assignment.blamed.push(teacher ?? null);
  assignment.failure = reason;
  m.failedAt.set(assignment, microBatch ?? m.workOf(found).microBatch(assignment.from));
  m.say('warn', `${worker} failed ${m.nameOf(found)}: ${teacher === undefined ? '' : `teacher ${teacher}: `}${reason}`);
  m.giveBack(found);
}

function onDiffers(
  m: RelayMachine,
  worker: WorkerRecord,
  { step, stateHash, wanted }: Pick<Heard<'differs'>, 'step' | 'stateHash' | 'wanted'>,
): void {
  const reason = `its state after ${counted(step, 'step')} is ${stateHash}, the run's ${wanted}`;
  const count = (m.mismatches.get(worker.process) ?? 0) + 1;
  m.mismatches.set(worker.process, count);
  if (count < mismatchLimit) m.emit({ type: 'resync', worker: worker.id, reason });
  else {
    const text = `${reason}, ${mismatchLimit} times by now`;
    m.emit({ type: 'dismiss', worker: worker.id, code: closeCodes.refused, reason: text });
  }
  m.part(worker);
}

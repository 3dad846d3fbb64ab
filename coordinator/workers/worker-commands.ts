/**
 * The core's commands that concern one worker, carried out. A command for a worker that is not here is a bug: the core
 * hears of a worker's leaving before it says anything else.
 */
import { faultPoint } from '../../shared/fault-points.js';
import { closeCodes, type Lease } from '../../shared/protocol/messages.js';
import type { Command, WorkerId } from '../decide/types.js';
import type { Broadcast, RunEnvelope } from '../exchange/broadcast.js';
import type { StepNumbers } from '../exchange/scaling.js';
import type { ReportOutput } from '../reports/outputs/output.js';
import type { ConnectedWorkers } from './connected-workers.js';
import type { Participants } from './participants.js';

export interface WorkerCommandsOptions {
  readonly envelope: RunEnvelope;
  readonly broadcast: Pick<Broadcast, 'released'>;
  readonly connected: ConnectedWorkers;
  readonly participants: Participants;
  readonly reporter: Pick<ReportOutput, 'say'>;
}

type CommandOf<T extends Command['type']> = Extract<Command, { type: T }>;

export class WorkerCommands {
  readonly #options: WorkerCommandsOptions;

  constructor(options: WorkerCommandsOptions) {
    this.#options = options;
  }

  lease({ worker: id, id: lease, unit, block, dropped }: CommandOf<'lease'>, numbers: StepNumbers): void {
    const { connection, incoming } = this.#options.connected.get(id);
    incoming.open(lease, unit, block);
    const { kind, subject, step, epoch, from, to, microBatches } = unit;
    const message: Lease = {
      id: lease,
      kind,
      ...(subject === undefined ? {} : { subject }),
      step,
      epoch,
      from,
      to,
      microBatches,
      block,
      divisors: numbers.divisors,
      scalars: numbers.scalars,
      ...(dropped.length === 0 ? {} : { dropped: [...dropped] }),
    };
    connection.queue.send({ type: 'lease', ...this.#options.envelope, step, lease: message });
    faultPoint('leased');
  }

  cancel({ worker: id, id: lease }: CommandOf<'cancel'>): void {
    const { connection, incoming } = this.#options.connected.get(id);
    const step = incoming.unitOf(lease)?.step ?? this.#options.broadcast.released;
    incoming.cancel(lease);
    connection.queue.send({ type: 'cancel', ...this.#options.envelope, step, lease });
  }

  pull({ worker: id, id: lease, slot }: CommandOf<'pull'>): void {
    this.#options.connected.get(id).incoming.pull(lease, slot);
  }

  accept({ worker: id, id: lease, slot }: CommandOf<'accept'>): void {
    this.#options.connected.get(id).incoming.accept(lease, slot);
    this.settle(id, lease);
  }

  setAside({ worker: id, id: lease }: CommandOf<'setAside'>): void {
    const worker = this.#options.connected.get(id);
    this.#options.participants.of(worker).samples -= worker.incoming.reopen(lease);
  }

  resync({ worker: id, reason }: CommandOf<'resync'>): void {
    const { connection } = this.#options.connected.get(id);
    this.#options.reporter.say('warn', `${connection.name} starts again from a snapshot: ${reason}`);
    connection.queue.send({
      type: 'resync',
      ...this.#options.envelope,
      step: this.#options.broadcast.released,
      reason,
    });
    connection.dismiss(closeCodes.stale, reason);
  }

  dismiss({ worker: id, code, reason }: CommandOf<'dismiss'>): void {
    this.#options.connected.get(id).connection.dismiss(code, reason);
  }

  /** The lease's contribution is in: counts its samples for the worker and forgets the lease. */
  settle(id: WorkerId, lease: number): void {
    const worker = this.#options.connected.get(id);
    const participant = this.#options.participants.of(worker);
    participant.samples += worker.incoming.settle(lease);
    participant.brokenOffers = 0;
  }
}

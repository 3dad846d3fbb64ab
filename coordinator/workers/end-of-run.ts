/** The end of the run as its workers see it: nothing that they say counts any more, and each is told why it is over. */
import { closeCodes, type Down } from '../../shared/protocol/messages.js';
import type { Broadcast, RunEnvelope } from '../exchange/broadcast.js';
import type { ConnectedWorkers } from './connected-workers.js';
import type { WorkerConnection } from './worker-connection.js';

/** How long the workers may take to close their connections after they were told of the end. */
const graceMs = 2000;
/** A worker whose connection broke so short a time before the end is waited for: it comes back for the answer. */
const missingMs = 5000;

/** What a worker says at its end that an admin has asked to leave. */
const drainedText = 'drained: an admin has asked this worker to leave';

export interface RunEnd {
  /** `next`: another run follows on the same address. `pause`: this run goes on under the coordinator's next start. */
  readonly reason: Down<'end'>['reason'] | 'pause';
  readonly text: string;
}

export class EndOfRun {
  readonly #envelope: RunEnvelope;
  readonly #broadcast: Pick<Broadcast, 'released'>;
  #isOver = false;
  #message: Down<'end'> | null = null;

  constructor(envelope: RunEnvelope, broadcast: Pick<Broadcast, 'released'>) {
    this.#envelope = envelope;
    this.#broadcast = broadcast;
  }

  /** Whether nothing that workers say counts any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether the workers have been told of the end. */
  get isTold(): boolean {
    return this.#message !== null;
  }

  begin(): void {
    this.#isOver = true;
  }

  /**
   * Tells every worker, and resolves once all have closed their connections, or their time for that has passed. What they
   * were told first stays: later calls do nothing.
   */
  async tellAll(connected: ConnectedWorkers, { reason, text }: RunEnd): Promise<void> {
    if (this.isTold) return;
    this.begin();
    if (reason === 'pause') return this.#pause(connected, text);
    this.#message = { type: 'end', ...this.#envelope, step: this.#broadcast.released, reason, text };
    for (const connection of connected.connections) this.tell(connection);
    // Who comes back later finds the next run.
    connected.forgetMissing(reason === 'next' ? -1 : missingMs);
    await connected.whenEmpty(graceMs);
  }

  /** Closes the connections, as one that breaks: workers keep what they hold, and come back to the next coordinator. */
  async #pause(connected: ConnectedWorkers, text: string): Promise<void> {
    const why = `the coordinator was stopped (${text}), and the run goes on when it is started again`;
    for (const connection of connected.connections) {
      connection.explain(why);
      connection.dismiss(closeCodes.shutdown, why);
    }
    connected.forgetMissing(-1);
    await connected.whenEmpty(graceMs);
  }

  /** Tells one worker that there is nothing more for it to do, while the run goes on without it. */
  tellDrained({ queue }: Pick<WorkerConnection, 'queue'>): void {
    queue.send({ type: 'end', ...this.#envelope, step: this.#broadcast.released, reason: 'done', text: drainedText });
  }

  /** Tells a worker that has come while the results are written of the end, as far as it is known yet. */
  tell(connection: WorkerConnection): void {
    if (this.#message !== null) connection.queue.send(this.#message);
  }
}

/**
 * Where a worker that only labels gets its work: it asks the coordinator for the run, and then for one block after the
 * other. It waits for a coordinator that is away, and gives up after the wait.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { exitCodes, ProtocolError, UserError } from '../../shared/errors.js';
import type { LabelLease, LabelRun } from '../../shared/protocol/label-messages.js';
import type { CoordinatorClient } from '../link/coordinator-client.js';
import { LabelClient, type LabelAnswer, type LabelMaker } from './label-client.js';

export interface LeaseSourceOptions {
  readonly client: CoordinatorClient;
  /** What the bits of this worker's labels depend on. */
  readonly numerics: string;
  /** Seconds without a coordinator that wants labels, after which it gives up. */
  readonly waitSeconds: number;
  readonly stop: AbortSignal;
  readonly log: (line: string) => void;
}

const pollMs = 500;
const patienceMs = 20_000;

/** Statuses that say: not you, and not later either; 400 is what a port of TLS answers to plain HTTP. */
const finalStatuses = new Set([400, 401, 403]);
/** The status that says that the run is done. */
const goneStatus = 410;

export class LeaseSource {
  /** This process, to which the coordinator leases blocks under a random name. */
  readonly maker: LabelMaker;
  readonly #options: LeaseSourceOptions;
  readonly #labels: LabelClient;
  /** When the coordinator gave an answer last, by performance.now(). */
  #heardMs = performance.now();

  constructor(options: LeaseSourceOptions) {
    this.#options = options;
    this.maker = { worker: randomUUID(), numerics: options.numerics };
    this.#labels = new LabelClient(options.client, this.maker);
  }

  /**
   * The run, once there is one with labels to make; `done` when it is over; null when asked to stop before.
   *
   * @throws UserError 69 after the wait, 77 when the coordinator refuses this worker
   */
  async run(): Promise<LabelRun | 'done' | null> {
    const { stop, client, waitSeconds, log } = this.#options;
    const { text } = client.address;
    for (let isFirst = true; !stop.aborted; isFirst = false) {
      const answer = await this.#labels.run({ timeoutMs: patienceMs });
      if (answer.type === 'refused' && answer.status === goneStatus) return 'done';
      const run = this.#take(answer);
      if (run !== null) return run;
      if (performance.now() - this.#heardMs > 1000 * waitSeconds)
        throw new UserError(`${text}: no coordinator that wants labels for ${waitSeconds} s`, exitCodes.unavailable);
      if (isFirst) log(`waiting for ${text} to want labels`);
      await this.pause();
    }
    return null;
  }

  /** The next block; null when the coordinator is away, or at another run. @throws UserError 77 when it refuses */
  async lease(): Promise<LabelLease | null> {
    return this.#take(await this.#labels.lease({ worker: this.maker.worker }, { timeoutMs: patienceMs }));
  }

  /** Waits before the next question, or until asked to stop. */
  async pause(): Promise<void> {
    const { stop } = this.#options;
    try {
      await sleep(pollMs, undefined, { signal: stop });
    } catch (error) {
      if (!stop.aborted) throw error;
    }
  }

  /** @throws ProtocolError for an answer that is not one of this version */
  #take<T>(answer: LabelAnswer<T>): T | null {
    if (answer.type === 'damaged') throw new ProtocolError(answer.problem);
    if (answer.type === 'refused' && finalStatuses.has(answer.status))
      throw new UserError(
        `the coordinator refused this worker (${answer.status}): ${answer.reason}`,
        exitCodes.refused,
      );
    if (answer.type !== 'given') return null;
    this.#heardMs = performance.now();
    return answer.value;
  }
}

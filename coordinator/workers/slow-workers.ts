/** What becomes of workers that are too slow: each time is counted for the process, and one time too many is the last. */
import { closeCodes } from '../../shared/protocol/messages.js';
import type { ReportOutput } from '../reports/outputs/output.js';
import type { ConnectedWorkers } from './connected-workers.js';
import { barredAfter, type Participants } from './participants.js';
import type { WorkerConnection } from './worker-connection.js';

export class SlowWorkers {
  readonly #participants: Participants;
  readonly #reporter: Pick<ReportOutput, 'say'>;

  constructor(participants: Participants, reporter: Pick<ReportOutput, 'say'>) {
    this.#participants = participants;
    this.#reporter = reporter;
  }

  /** The log no longer holds what the worker needs next: it may join again, unless this was the last time. */
  fellBehind(connection: WorkerConnection): void {
    const { isFinal, reason } = this.#count(connection, 'fell behind what the log still holds');
    connection.dismiss(isFinal ? closeCodes.refused : closeCodes.tooSlow, reason);
  }

  /** A step waits for a buffer that is being sent from: connections that took nothing for `patienceMs` are cut off. */
  cutOff({ connections }: ConnectedWorkers, patienceMs: number): void {
    for (const connection of connections) {
      if (connection.queue.stalledMs() <= patienceMs) continue;
      // One that is being closed already was counted, or is closed for another reason.
      if (!connection.queue.isClosed) this.#count(connection, 'reads too slowly for a step that waits for its buffer');
      connection.terminate('reads too slowly');
    }
  }

  /** Says so and counts it for the process. A connection that has not said hello belongs to no process yet. */
  #count({ admitted, name }: WorkerConnection, what: string): { readonly isFinal: boolean; readonly reason: string } {
    const times = admitted === null ? 0 : ++this.#participants.of(admitted).timesSlow;
    const isFinal = times >= barredAfter;
    const reason = `${what}${isFinal ? `, ${barredAfter} times` : ''}`;
    this.#reporter.say('warn', `${name} ${reason}`);
    return { isFinal, reason };
  }
}

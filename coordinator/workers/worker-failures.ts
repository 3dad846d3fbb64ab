/**
 * Workers that failed and said why before they left. The first one is shown with what it said last: what others say after
 * it is often its consequence. All of it is a peer's text, which the protocol has bounded and made fit to be shown.
 */
import type { Up } from '../../shared/protocol/messages.js';
import type { ReportOutput } from '../reports/outputs/output.js';
import type { AdmittedWorker } from './worker-connection.js';

/** How a worker failed, in its own words. */
export interface ToldFailure {
  /** Its short name in this run. */
  readonly worker: string;
  readonly host: string;
  /** The exit code that it ends with. */
  readonly code: number;
  readonly reason: string;
  /** Its newest lines, in their order. */
  readonly lines: readonly string[];
}

/** So many are journalled and said by one coordinator: a worker that joins and fails over and over fills no disk. */
const mostTold = 32;

/** The exit code that shells give a process that was killed. */
const killedCode = 137;

export interface WorkerFailuresOptions {
  readonly reporter: Pick<ReportOutput, 'say'>;
  /** Whether workers join from elsewhere: the lines of local ones were written as they came. */
  readonly isOpen: boolean;
  /** Writes it into the journal. */
  readonly journal: (failure: ToldFailure) => void;
}

export class WorkerFailures {
  readonly #options: WorkerFailuresOptions;
  #first: ToldFailure | null = null;
  #count = 0;

  constructor(options: WorkerFailuresOptions) {
    this.#options = options;
  }

  /** The first one since this coordinator started; null where none has failed. */
  get first(): ToldFailure | null {
    return this.#first;
  }

  get count(): number {
    return this.#count;
  }

  /** Takes what a worker that joins tells of the process before it, where that one was killed. */
  noteBefore(worker: Pick<AdmittedWorker, 'id' | 'device'>, { before }: Pick<Up<'hello'>, 'before'>): void {
    if (before === undefined) return;
    const { signal, lines } = before;
    this.note(worker, {
      reason: `the process before it was killed by ${signal}`,
      failure: { code: killedCode, lines },
    });
  }

  /** Takes the last words of a worker, where they tell of a failure. */
  note(
    { id, device }: Pick<AdmittedWorker, 'id' | 'device'>,
    { reason, failure }: Pick<Up<'leave'>, 'reason' | 'failure'>,
  ): void {
    if (failure === undefined) return;
    const { reporter, journal, isOpen } = this.#options;
    const told: ToldFailure = { worker: id, host: device.host, reason, ...failure };
    this.#count++;
    if (this.#count > mostTold + 1) return;
    if (this.#count > mostTold)
      return reporter.say('warn', `more workers fail than ${mostTold}; no further one is told of`);
    journal(told);
    if (this.#first !== null)
      return reporter.say('warn', `${id} (${told.host}) failed, too, with ${told.code}: ${reason}`);
    this.#first = told;
    const lines = isOpen ? told.lines : [];
    reporter.say('warn', failureText({ ...told, lines }));
    for (const line of lines) reporter.say('warn', `  ${line}`);
  }
}

function failureText({ worker, host, code, reason, lines }: ToldFailure): string {
  const more = lines.length === 0 ? '' : '; what it said last:';
  return `${worker} (${host}) is the first to fail, with ${code}: ${reason}${more}`;
}

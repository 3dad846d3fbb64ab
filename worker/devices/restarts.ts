/**
 * What becomes of the worker processes of a host: which is started again, when, and when its device is given up. Pure:
 * time and ends come in, decisions go out.
 *
 *   working --- ends with an exit code that says why --> over
 *      |  ^
 *      |  +--- after a pause that doubles from fault to fault
 *      +------ killed, or a bug --> pausing --- one fault too many --> out
 */
import { exitCodes, type ExitCode } from '../../shared/errors.js';

/** How a process ended: by an exit code, or killed by a signal. */
export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** How long it lived, in milliseconds. */
  readonly livedMs: number;
  /** The last line that it said. */
  readonly lastLine: string;
}

export type Decision =
  | { readonly type: 'restart'; readonly afterMs: number; readonly fault: number; readonly reason: string }
  /** It has said why it ended, and would say it again. */
  | { readonly type: 'over'; readonly code: ExitCode }
  /** Its device failed too often. */
  | { readonly type: 'out'; readonly reason: string };

export interface RestartRules {
  /** Faults in a row after which a device is given up. */
  readonly limit: number;
  /** The first pause and the longest, in milliseconds. */
  readonly pauseMs: { readonly first: number; readonly longest: number };
  /** Who lived for so long has a clean slate, in milliseconds. */
  readonly cleanMs: number;
}

export const usualRules: RestartRules = {
  limit: 5,
  pauseMs: { first: 1000, longest: 60_000 },
  cleanMs: 10 * 60_000,
};

/** Exit codes with which a worker has said what is wrong, or that nothing is. */
const final = new Set<number>(Object.values(exitCodes).filter((code) => code !== exitCodes.bug));

/** The devices of a host, by number. */
export class Restarts {
  readonly #rules: RestartRules;
  readonly #faults: number[];
  /** How each device that is no longer worked on ended; null for one that failed too often. */
  readonly #ends = new Map<number, ExitCode | null>();
  #isStopping = false;

  constructor(devices: number, rules: RestartRules = usualRules) {
    this.#rules = rules;
    this.#faults = Array.from({ length: devices }, () => 0);
  }

  /** Whether no device is worked on any more. */
  get isOver(): boolean {
    return this.#ends.size === this.#faults.length;
  }

  /** Nothing is started again from now on. A device that pauses is over. */
  stop(): void {
    this.#isStopping = true;
  }

  /** A device whose process was to be started again is not, since the host stops. */
  leave(device: number): void {
    this.#ends.set(device, exitCodes.stopped);
  }

  ended(device: number, end: WorkerEnd): Decision {
    const { code } = end;
    if (code !== null && final.has(code)) return this.#over(device, code);
    if (this.#isStopping) return this.#over(device, exitCodes.stopped);
    const { limit, pauseMs, cleanMs } = this.#rules;
    const before = end.livedMs >= cleanMs ? 0 : (this.#faults[device] ?? 0);
    const fault = before + 1;
    this.#faults[device] = fault;
    const reason = reasonOf(end);
    if (fault >= limit) {
      this.#ends.set(device, null);
      return { type: 'out', reason: `${fault} faults in a row, the last: ${reason}` };
    }
    return { type: 'restart', afterMs: Math.min(pauseMs.longest, pauseMs.first * 2 ** before), fault, reason };
  }

  /**
   * What the host's process ends with: the first thing that somebody has to mend; a device that failed too often counts
   * for a missing one, unless others have brought the work to its end without it.
   */
  get exitCode(): ExitCode {
    const ends = [...this.#ends].sort(([a], [b]) => a - b).map(([, end]) => end);
    const [wrong] = ends.filter((end) => end !== null).filter((code) => code !== exitCodes.done);
    if (wrong !== undefined) return wrong;
    return ends.includes(exitCodes.done) ? exitCodes.done : exitCodes.noGpu;
  }

  #over(device: number, code: number): Decision {
    const known = Object.values(exitCodes).find((one) => one === code) ?? exitCodes.bug;
    this.#ends.set(device, known);
    return { type: 'over', code: known };
  }
}

function reasonOf({ code, signal, lastLine }: WorkerEnd): string {
  const how = signal === null ? `ended with ${code}` : `killed by ${signal}`;
  return lastLine === '' ? how : `${how} (${lastLine})`;
}

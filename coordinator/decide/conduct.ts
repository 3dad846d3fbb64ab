/**
 * What workers have done so far, as far as it decides whom the core asks first: who has proved itself by contributions
 * that were accepted, and who has let the run wait or fail. It is kept by process, and by origin (a host with a token)
 * for processes that have not proved anything yet, since a peer chooses its own name and not its origin.
 *
 * A worker that has let the run wait rests: the others are leased to before it, for as long as it has cost, then twice
 * as long, and so on. Whatever it costs the run is little beside the time in between. Times are milliseconds of the
 * events' clock.
 */
import type { WorkerRecord } from './state.js';

/** Who it is, over connections (`process`) and over names (`origin`). */
export type Identity = Pick<WorkerRecord, 'process' | 'origin'>;

interface Record {
  strikes: number;
  /** Contributions accepted since the last strike, or since one was forgiven. */
  good: number;
  restsUntilMs: number;
}

/** Contributions in a row that make up for one strike. */
const forgiveness = 16;
/** The shortest rest after the first strike. */
const leastRestMs = 1000;
const mostStrikes = 20;
/** So many names and origins are remembered; those that were heard of first are forgotten first. */
const remembered = 4096;

export class Conduct {
  readonly #byProcess = new Map<string, Record>();
  readonly #byOrigin = new Map<string, Record>();
  readonly #proven = new Set<string>();
  readonly #provenOrigins = new Set<string>();
  readonly #agreements = new Map<string, number>();

  /** Whether a contribution of this process was accepted in this generation. */
  isProven({ process }: Pick<Identity, 'process'>): boolean {
    return this.#proven.has(process);
  }

  /** Whether any process of this origin has proved itself. */
  isProvenOrigin({ origin }: Pick<Identity, 'origin'>): boolean {
    return this.#provenOrigins.has(origin);
  }

  /** Two of them have come to the same bits. */
  agree(process: string): void {
    this.#agreements.set(process, this.agreementsOf(process) + 1);
    forgetFirst(this.#agreements);
  }

  /** How often another has come to the same bits as this process. */
  agreementsOf(process: string): number {
    return this.#agreements.get(process) ?? 0;
  }

  get isAnyProven(): boolean {
    return this.#proven.size > 0;
  }

  /** Whether others are to be asked before this one. */
  isResting({ process, origin }: Identity, nowMs: number): boolean {
    if (nowMs < (this.#byProcess.get(process)?.restsUntilMs ?? -Infinity)) return true;
    return !this.#proven.has(process) && nowMs < (this.#byOrigin.get(origin)?.restsUntilMs ?? -Infinity);
  }

  /** Whether nothing is held against it. */
  isTrusted(worker: Identity): boolean {
    return this.isProven(worker) && !this.#byProcess.has(worker.process);
  }

  /** It has cost the run so many milliseconds for nothing. */
  strike(worker: Identity, costMs: number, nowMs: number): void {
    const { process, origin } = worker;
    count(this.#byProcess, process, costMs, nowMs);
    if (!this.isProven(worker)) count(this.#byOrigin, origin, costMs, nowMs);
  }

  /** A contribution of it was accepted. */
  prove({ process, origin }: Identity): void {
    remember(this.#proven, process);
    remember(this.#provenOrigins, origin);
    const record = this.#byProcess.get(process);
    if (record === undefined || ++record.good < forgiveness) return;
    record.good = 0;
    if (--record.strikes === 0) this.#byProcess.delete(process);
  }
}

function count(records: Map<string, Record>, name: string, costMs: number, nowMs: number): void {
  const strikes = Math.min(mostStrikes, (records.get(name)?.strikes ?? 0) + 1);
  records.delete(name);
  // Once is an accident.
  const restMs = Math.max(strikes === 1 ? 0 : leastRestMs, costMs) * 2 ** (strikes - 1);
  records.set(name, { strikes, good: 0, restsUntilMs: nowMs + restMs });
  forgetFirst(records);
}

function remember(names: Set<string>, name: string): void {
  names.delete(name);
  names.add(name);
  forgetFirst(names);
}

function forgetFirst(names: { readonly size: number; keys(): Iterator<string>; delete(name: string): boolean }): void {
  const first = names.size > remembered ? names.keys().next() : null;
  if (first?.done === false) names.delete(first.value);
}

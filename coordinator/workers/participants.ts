/**
 * The worker processes that took part in the run, for the summary and for what is held against them: one entry a
 * process, over all of its connections.
 */
import { ProtocolError } from '../../shared/errors.js';
import { closeCodes, type Device } from '../../shared/protocol/messages.js';
import type { Summary } from '../reports/summary.js';
import type { Numerics } from './numerics.js';

/** Times after which a process that was too slow, or offers what cannot be, is refused. */
export const barredAfter = 3;

export interface Participant {
  readonly device: Device;
  numerics: Numerics;
  /** What the bits of a compiled student depend on there: library and kind of processor. */
  engine: string | undefined;
  /** Whether it ever got as far as being leased to. */
  wasReady: boolean;
  /** Samples that its accepted contributions covered. */
  samples: number;
  /** Seconds spent on training leases, by phase: load, labels, student, reduce, wait, optimizer. */
  readonly seconds: Record<string, number>;
  /** Offers in a row that could not be what they said they were. */
  brokenOffers: number;
  /** Times that it fell behind what the log still holds, or kept a step waiting. */
  timesSlow: number;
}

export class Participants {
  readonly #byProcess = new Map<string, Participant>();
  /** Processes that were told to leave. */
  readonly #drained = new Set<string>();
  /** Processes that an audit found to be wrong, under this coordinator or one before it. */
  readonly #liars = new Set<string>();

  /** The entry of a worker process; a new one where there is none yet. */
  of({ process, device }: { readonly process: string; readonly device: Device }): Participant {
    const known = this.#byProcess.get(process);
    if (known !== undefined) return known;
    const fresh: Participant = {
      device,
      numerics: 'unknown',
      engine: undefined,
      wasReady: false,
      samples: 0,
      seconds: {},
      brokenOffers: 0,
      timesSlow: 0,
    };
    this.#byProcess.set(process, fresh);
    return fresh;
  }

  /** The process was told to leave, and gets nothing more to do. */
  drain(process: string): void {
    this.#drained.add(process);
  }

  isDrained(process: string): boolean {
    return this.#drained.has(process);
  }

  /** Lets the process in no more. */
  bar(process: string): void {
    this.#liars.add(process);
  }

  /**
   * Counts an offer that cannot be for the process, which otherwise would come back with it again and again.
   * @returns the error that its connection is closed with
   */
  countBrokenOffer(worker: { readonly process: string; readonly device: Device }, error: ProtocolError): ProtocolError {
    const times = ++this.of(worker).brokenOffers;
    return times < barredAfter ? error : new ProtocolError(error.message, closeCodes.refused);
  }

  /** Why the process is not let in any more; null where it is. */
  barredText(process: string): string | null {
    if (this.#liars.has(process)) return 'an audit has found other bits than those that were confirmed';
    const participant = this.#byProcess.get(process);
    if (participant === undefined) return null;
    if (participant.timesSlow >= barredAfter) return `too slow, ${barredAfter} times`;
    return participant.brokenOffers >= barredAfter ? `${barredAfter} offers in a row that cannot be` : null;
  }

  /** Seconds that workers spent on training leases, by phase: those who have left included. */
  secondsByPhase(): Readonly<Record<string, number>> {
    const all: Record<string, number> = {};
    for (const { seconds } of this.#byProcess.values())
      for (const [phase, value] of Object.entries(seconds)) all[phase] = (all[phase] ?? 0) + value;
    return all;
  }

  /** Forgets a process that was never ready nor slow, so that nothing piles up however many come and go. */
  forgetIdle(process: string): void {
    const participant = this.#byProcess.get(process);
    if (participant?.wasReady === false && participant.timesSlow + participant.brokenOffers === 0)
      this.#byProcess.delete(process);
  }

  list(): Summary['workers'] {
    return [...this.#byProcess].map(([name, { device, numerics, engine, samples, seconds }]) => ({
      name,
      host: device.host,
      backend: device.backend,
      provider: device.provider ?? 'cpu',
      gpu: device.gpu,
      ...(engine === undefined ? {} : { engine }),
      numerics,
      samples,
      seconds,
    }));
  }
}

/** Adds the seconds that a lease has taken, by phase, to those of the participant. */
export function addSeconds(participant: Participant, seconds: Readonly<Record<string, number>>): void {
  // A phase that it has not spent anything on yet is absent.
  for (const [phase, value] of Object.entries(seconds))
    participant.seconds[phase] = (participant.seconds[phase] ?? 0) + value;
}

/**
 * What happens when a worker says that it is ready: its state and its numerics are judged, and it may be leased to,
 * once all the workers that the run waits for are ready.
 */
import { closeCodes, type Up } from '../../shared/protocol/messages.js';
import type { UntimedEvent, WorkerId } from '../decide/types.js';
import type { ReportOutput } from '../reports/outputs/output.js';
import { deviceInWords, type Numerics, type Probes } from './numerics.js';
import type { Participants } from './participants.js';
import type { AdmittedWorker } from './worker-connection.js';

export interface ReadinessOptions {
  readonly probes: Probes;
  /** Whether the recipe wants exact numerics, so that other workers are refused. */
  readonly isExactWanted: boolean;
  /** The first lease waits for so many workers. */
  readonly expected: number;
  readonly participants: Participants;
  readonly reporter: Pick<ReportOutput, 'say'>;
  readonly post: (event: UntimedEvent) => void;
  /** Called with an error that ends the run. */
  readonly fail: (error: unknown) => void;
}

export class Readiness {
  readonly #options: ReadinessOptions;
  /** Workers that are ready before all that are expected are; null from then on. */
  #early: Map<WorkerId, UntimedEvent> | null = new Map();
  #isWarned = false;

  constructor(options: ReadinessOptions) {
    this.#options = options;
  }

  /** The worker has caught up with the run's state, and its numerics probe has been computed. */
  ready(worker: AdmittedWorker, { step, stateHash, probe }: Up<'ready'>): void {
    const { reporter, participants, isExactWanted, probes } = this.#options;
    const { connection } = worker;
    const numerics = this.#judge(worker, probe);
    const participant = participants.of(worker);
    participant.numerics = numerics;
    participant.engine = probe.numerics;
    const device = probe.numerics ?? deviceInWords(worker.device);
    if (isExactWanted && numerics !== 'exact') {
      reporter.say(
        'warn',
        `${connection.name} refused: ${device} is ${numerics} and the recipe wants exact numerics (reference: ${probes.referenceText})`,
      );
      return connection.dismiss(closeCodes.refused, `numerics ${numerics}; the recipe wants exact ones`);
    }
    [worker.isReady, participant.wasReady] = [true, true];
    reporter.say('info', `${connection.name} is ready: ${device}, numerics ${numerics}`);
    if (numerics === 'close' || numerics === 'unrepeatable') this.#warnOfBits(worker, { device, numerics });
    this.#begin(worker.id, { type: 'ready', worker: worker.id, step, stateHash });
  }

  /** The worker's connection is closed: it is not waited for any more. */
  forget(worker: WorkerId): void {
    this.#early?.delete(worker);
  }

  #judge({ connection, device }: AdmittedWorker, probe: Up<'ready'>['probe']): Numerics {
    if (probe.failed !== undefined)
      this.#options.reporter.say('warn', `${connection.name}: nothing to compare its numerics by: ${probe.failed}`);
    const { numerics, saved } = this.#options.probes.judge(probe, device);
    saved.catch((error: unknown) => this.#options.fail(error));
    return numerics;
  }

  /** Warns once a run, of the first such worker. */
  #warnOfBits(
    { connection }: AdmittedWorker,
    { device, numerics }: { readonly device: string; readonly numerics: 'close' | 'unrepeatable' },
  ): void {
    if (this.#isWarned) return;
    this.#isWarned = true;
    const { reporter, probes } = this.#options;
    const what =
      numerics === 'close'
        ? `computes on ${device} what ${probes.referenceText} computed here first, but not to the bit in every step`
        : 'does not compute the same twice';
    reporter.say(
      'warn',
      `${connection.name} ${what}: the run's bits depend on who computes what from now on (numerics: { exact: true } refuses such workers)`,
    );
  }

  /** Keeps the first ones from work until all that are expected are ready; whoever comes later begins at once. */
  #begin(worker: WorkerId, ready: UntimedEvent): void {
    const { expected, reporter, post } = this.#options;
    if (this.#early === null) return post(ready);
    this.#early.set(worker, ready);
    if (this.#early.size < expected)
      return reporter.say('info', `waiting for ${expected} workers: ${this.#early.size} ready`);
    const all = [...this.#early.values()];
    this.#early = null;
    all.forEach(post);
  }
}

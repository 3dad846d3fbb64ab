/**
 * What happens when a worker says that it is ready: its state and its numerics are judged, and it may be leased to,
 * once all the workers that the run waits for are ready.
 */
import { counted } from '../../shared/counted.js';
import { closeCodes, type Up } from '../../shared/protocol/messages.js';
import type { UntimedEvent, WorkerId } from '../decide/types.js';
import type { ReportOutput } from '../reports/outputs/output.js';
import { deviceInWords, type Judgement, type Numerics, type Probes } from './numerics.js';
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

interface Probed {
  readonly worker: AdmittedWorker;
  readonly message: Up<'ready'>;
}

export class Readiness {
  readonly #options: ReadinessOptions;
  /** Workers that are ready before all that are expected are; null from then on. */
  #early: Map<WorkerId, UntimedEvent> | null = new Map();
  /** The answers of all workers that are here. */
  readonly #probed = new Map<WorkerId, Probed>();
  /** Workers that are neither let in nor refused, since one host's answer stands against another's. */
  readonly #undecided = new Map<WorkerId, Probed>();
  #isWarned = false;

  constructor(options: ReadinessOptions) {
    this.#options = options;
  }

  /** The worker has caught up with the run's state, and its numerics probe has been computed. */
  ready(worker: AdmittedWorker, message: Up<'ready'>): void {
    const { numerics, isRevised } = this.#judge(worker, message.probe);
    this.#probed.set(worker.id, { worker, message });
    this.#admit(worker, message, numerics);
    if (isRevised) this.#revise();
    if (numerics === 'exact')
      for (const { worker: other, message: its } of [...this.#undecided.values()]) this.#decide(other, its);
  }

  /** The worker's connection is closed: it is not waited for any more. */
  forget(worker: WorkerId): void {
    this.#early?.delete(worker);
    this.#probed.delete(worker);
    this.#undecided.delete(worker);
  }

  #admit(worker: AdmittedWorker, message: Up<'ready'>, numerics: Numerics): void {
    const { reporter, participants, isExactWanted, probes } = this.#options;
    const { connection } = worker;
    const { step, stateHash, probe } = message;
    const participant = participants.of(worker);
    participant.numerics = numerics;
    participant.engine = probe.numerics;
    const device = deviceOf(worker, message);
    if (isExactWanted && numerics === 'close' && probes.isOpenTo(worker.origin)) {
      this.#undecided.set(worker.id, { worker, message });
      return reporter.say(
        'warn',
        `${connection.name} waits: ${device} computes other bits than ${probes.referenceText}, and one host stands against one; a third decides`,
      );
    }
    if (isExactWanted && numerics !== 'exact') return this.#refuse(worker, message, numerics);
    [worker.isReady, participant.wasReady] = [true, true];
    reporter.say(
      'info',
      `${connection.name} is ready: ${device}, numerics ${numerics}, plane ${connection.plane.name}`,
    );
    if (numerics === 'close' || numerics === 'unrepeatable') this.#warnOfBits(worker, { device, numerics });
    this.#begin(worker.id, { type: 'ready', worker: worker.id, step, stateHash, numerics: classOf(worker, probe) });
  }

  #refuse(worker: AdmittedWorker, message: Up<'ready'>, numerics: Numerics): void {
    const { reporter, probes } = this.#options;
    reporter.say(
      'warn',
      `${worker.connection.name} refused: ${deviceOf(worker, message)} is ${numerics} and the recipe wants exact numerics (reference: ${probes.referenceText})`,
    );
    worker.connection.dismiss(closeCodes.refused, `numerics ${numerics}; the recipe wants exact ones`);
  }

  /** Lets a worker in that waited, or refuses it, where enough hosts have answered. */
  #decide(worker: AdmittedWorker, message: Up<'ready'>): void {
    const { probes } = this.#options;
    const isExact = probes.isReference(message.probe);
    if (!isExact && probes.isOpenTo(worker.origin)) return;
    this.#undecided.delete(worker.id);
    this.#admit(worker, message, isExact ? 'exact' : 'close');
  }

  /** More hosts have come to another answer than to the reference's, so it is theirs from here on. */
  #revise(): void {
    const { reporter, participants, probes, isExactWanted } = this.#options;
    reporter.say(
      'warn',
      `the reference of the run's numerics is ${probes.referenceText} now: more hosts agree with it than with the first`,
    );
    for (const { worker, message } of this.#probed.values()) {
      if (!worker.isReady) continue;
      const isExact = probes.isReference(message.probe);
      participants.of(worker).numerics = isExact ? 'exact' : 'close';
      if (!isExact && isExactWanted) this.#refuse(worker, message, 'close');
    }
  }

  #judge({ connection, device, origin }: AdmittedWorker, probe: Up<'ready'>['probe']): Judgement {
    if (probe.failed !== undefined)
      this.#options.reporter.say('warn', `${connection.name}: nothing to compare its numerics by: ${probe.failed}`);
    const judgement = this.#options.probes.judge(probe, device, origin);
    judgement.saved.catch((error: unknown) => this.#options.fail(error));
    return judgement;
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
      return reporter.say('info', `waiting for ${counted(expected, 'worker')}: ${this.#early.size} ready`);
    const all = [...this.#early.values()];
    this.#early = null;
    all.forEach(post);
  }
}

function deviceOf({ device }: AdmittedWorker, { probe }: Up<'ready'>): string {
  return probe.numerics ?? deviceInWords(device);
}

/** Workers of one class have come to the same bits, as far as can be told; one that does not repeat its own has none. */
function classOf({ id }: AdmittedWorker, { digest, repeatable, numerics = '' }: Up<'ready'>['probe']): string {
  return repeatable ? `${digest} ${numerics}` : id;
}

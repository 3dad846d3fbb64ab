/**
 * The main thread's half of a worker: the link's messages become an inbox, models and a trainer for each run that the
 * link begins, one run after the other.
 */
import { UserError } from '../../shared/errors.js';
import { WaitEnded, type ComputeBackend } from '../compute/contract.js';
import { checkBackend } from '../compute/open/backend-check.js';
import type { TrainerView } from '../threads/control.js';
import type { Begin, ToLink, ToTrainer } from '../threads/messages.js';
import { Fetches } from './fetches.js';
import { Inbox } from './inbox.js';
import { probe } from './probe.js';
import { train } from './trainer.js';

/** The link's thread as seen from here. */
export interface LinkPort {
  post(message: ToLink): void;
  onMessage(listener: (message: ToTrainer) => void): void;
  /** Rejects when the thread fails; never resolves. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

export class TrainerShell {
  /** Rejects when a trainer fails; never resolves. */
  readonly failed: Promise<never>;
  readonly #backend: ComputeBackend;
  readonly #control: TrainerView;
  readonly #link: Pick<LinkPort, 'post'>;
  readonly #fetches: Fetches;
  /** The inbox of the run that the link began last. */
  #inbox: Inbox | null = null;
  /** Settled when the trainer of every run so far has ended. */
  #ended: Promise<void> = Promise.resolve();
  #fail: (error: unknown) => void = () => undefined;

  constructor(backend: ComputeBackend, control: TrainerView, link: Pick<LinkPort, 'post'>) {
    this.#backend = backend;
    this.#control = control;
    this.#link = link;
    this.#fetches = new Fetches((sha256) => link.post({ type: 'fetch', sha256 }));
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject;
    });
  }

  hear(message: Exclude<ToTrainer, { type: 'end' | 'log' }>): void {
    switch (message.type) {
      case 'begin':
        return this.#begin(message);
      case 'fetched':
        return this.#fetches.arrived(message.sha256, message.path);
      case 'fetchFailed':
        return this.#fetches.failed(message.sha256, new UserError(message.message, message.exitCode));
      default:
        this.#inbox?.hear(message);
    }
  }

  /** Ends the trainer after its micro-batch and frees its models. What fails on the way out is of no use to anyone. */
  async close(): Promise<void> {
    this.#inbox?.queue.close();
    this.#fetches.failAll(new Error('the link has ended'));
    await this.#ended.catch(() => undefined);
  }

  /** The run's inbox takes messages from now on; its trainer starts when the one before it has ended. */
  #begin(begin: Begin): void {
    this.#inbox?.queue.close();
    const inbox = new Inbox(begin, this.#control, (message) => this.#link.post(message));
    this.#inbox = inbox;
    this.#ended = this.#ended.then(() => this.#work(begin, inbox));
    this.#ended.catch((error: unknown) => this.#fail(error));
  }

  async #work(begin: Begin, inbox: Inbox): Promise<void> {
    if (inbox.queue.isClosed) return;
    const { recipe, manifest, teachers, initialPath, runNumber } = begin;
    checkBackend(this.#backend, {
      wanted: recipe.numerics.backend,
      engine: begin.spec.engine ?? 'tfjs',
      teachers: recipe.labels.wait ? [] : teachers,
    });
    const compute = await this.#backend.open(
      begin,
      (sha256) => this.#fetches.fetch(sha256),
      () => this.#isWanted(inbox),
    );
    try {
      const slot = firstOf(begin.trainerSlots);
      const found = await probe({ compute, recipe, manifest, initialPath, replica: inbox.replica, slot });
      this.#link.post({ type: 'built', runNumber, ...found });
      await train({ inbox, compute, recipe });
    } catch (error) {
      if (!(error instanceof WaitEnded)) throw error;
    } finally {
      await compute.dispose();
    }
  }

  /** A sign of life while something else than the device is waited for. @returns whether the run is still wanted */
  #isWanted(inbox: Inbox): boolean {
    this.#control.tick();
    return !inbox.queue.isClosed;
  }
}

function firstOf(slots: readonly number[]): number {
  const [first] = slots;
  if (first === undefined) throw new Error('a trainer without slots');
  return first;
}

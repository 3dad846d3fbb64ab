/** The main thread's half of the link: its messages become a desk, models and a trainer for each run that it begins. */
import { UserError } from '../../shared/errors.js';
import { checkBackend } from '../compute/open/backend-check.js';
import { WaitEnded, type ComputeBackend } from '../compute/contract.js';
import { Desk } from './inbox.js';
import { probe } from './probe.js';
import { train } from './trainer.js';
import type { TrainerView } from '../threads/control.js';
import type { Begin, ToLink, ToTrainer } from '../threads/messages.js';

/** The link's thread as seen from here. */
export interface LinkPort {
  post(message: ToLink): void;
  onMessage(listener: (message: ToTrainer) => void): void;
  /** Rejects when the thread fails; never resolves. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

/** Builds and runs one run's trainer after the other. */
export class TrainerShell {
  /** Rejects when a trainer fails; never resolves. */
  readonly failed: Promise<never>;
  readonly #backend: ComputeBackend;
  readonly #control: TrainerView;
  readonly #link: LinkPort;
  readonly #fetches = new Map<
    string,
    { readonly resolve: (path: string) => void; readonly reject: (error: unknown) => void }[]
  >();
  #desk: Desk | null = null;
  #previous: Promise<void> = Promise.resolve();
  #fail: (error: unknown) => void = () => undefined;

  constructor(backend: ComputeBackend, control: TrainerView, link: LinkPort) {
    this.#backend = backend;
    this.#control = control;
    this.#link = link;
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject;
    });
  }

  hear(message: Exclude<ToTrainer, { type: 'end' | 'log' }>): void {
    if (message.type === 'begin') this.#begin(message);
    else if (message.type === 'fetched') this.#settle(message.sha256, (waiter) => waiter.resolve(message.path));
    else if (message.type === 'fetchFailed')
      this.#settle(message.sha256, (waiter) => waiter.reject(new UserError(message.message, message.exitCode)));
    else this.#desk?.hear(message);
  }

  /** Ends the trainer after its micro-batch and frees its models. What fails on the way out is of no use to anyone. */
  async close(): Promise<void> {
    this.#desk?.queue.close();
    for (const sha256 of [...this.#fetches.keys()])
      this.#settle(sha256, (waiter) => waiter.reject(new Error('the link has ended')));
    await this.#previous.catch(() => undefined);
  }

  /** The desk takes messages from now on; the run's trainer starts when the one before it has ended. */
  #begin(begin: Begin): void {
    this.#desk?.queue.close();
    const desk = new Desk(begin, this.#control, (message) => this.#link.post(message));
    this.#desk = desk;
    this.#previous = this.#previous.then(() => this.#work(begin, desk));
    this.#previous.catch((error: unknown) => this.#fail(error));
  }

  async #work(begin: Begin, desk: Desk): Promise<void> {
    if (desk.queue.isClosed) return;
    const { recipe, manifest, initialPath, runNumber } = begin;
    checkBackend(this.#backend.name, {
      wanted: recipe.numerics.backend,
      teachers: recipe.labels.wait ? [] : begin.teachers,
    });
    const compute = await this.#backend.open(
      begin,
      (sha256) => this.#fetch(sha256),
      () => this.#isWanted(desk),
    );
    try {
      const slot = begin.trainerSlots[0] ?? 0;
      this.#link.post({
        type: 'built',
        runNumber,
        ...(await probe({ compute, recipe, manifest, initialPath, replica: desk.replica, slot })),
      });
      await train({ desk, compute, recipe });
    } catch (error) {
      if (!(error instanceof WaitEnded)) throw error;
    } finally {
      await compute.dispose();
    }
  }

  #isWanted(desk: Desk): boolean {
    this.#control.tick();
    return !desk.queue.isClosed;
  }

  #fetch(sha256: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const waiters = this.#fetches.get(sha256);
      if (waiters !== undefined) return void waiters.push({ resolve, reject });
      this.#fetches.set(sha256, [{ resolve, reject }]);
      this.#link.post({ type: 'fetch', sha256 });
    });
  }

  #settle(
    sha256: string,
    settle: (waiter: { readonly resolve: (path: string) => void; readonly reject: (error: unknown) => void }) => void,
  ): void {
    const waiters = this.#fetches.get(sha256) ?? [];
    this.#fetches.delete(sha256);
    waiters.forEach(settle);
  }
}

/**
 * The link: everything between the socket and the trainer, on a worker thread of its own, so that nothing the trainer
 * does delays a heartbeat or a commit. This file keeps the connection: it opens it, opens it again after a loss, and
 * says when and how the worker ends. What happens on an open connection is in link-session.ts.
 *
 * It never ends the worker because a coordinator is away for less than the wait, and never waits longer than that.
 */
import { randomUUID } from 'node:crypto';
import { exitCodes, UserError, type ExitCode } from '../../shared/errors.js';
import { closeCodes } from '../../shared/protocol/messages.js';
import { ArtifactCache } from './artifact-cache.js';
import { Unreachable, type Closed, type Connection } from './connection.js';
import { CoordinatorClient } from './coordinator-client.js';
import { Fence } from './fence.js';
import { LinkSession } from './session.js';
import type { JoinedRun } from './joined-run.js';
import { Control } from '../threads/control.js';
import type { LinkStart, ToLink, ToTrainer } from '../threads/messages.js';

export interface LinkOptions extends LinkStart {
  readonly toTrainer: (message: ToTrainer) => void;
  /** Waits between attempts: the first, and the longest. */
  readonly backOffMs?: { readonly first: number; readonly longest: number };
  /** How a connection is opened; by the client itself unless a test has another way. */
  readonly connect?: (client: CoordinatorClient) => Promise<Connection>;
  readonly silenceMs?: number;
  readonly stallMs?: number;
  readonly onStall?: () => void;
}

export interface Ending {
  readonly exitCode: ExitCode;
  readonly message: string | null;
}

/** A close that says: not you, not now, not later. */
const finalCloses = new Set<number>([closeCodes.unauthorized, closeCodes.refused]);
/** So many connections in a row closed for a broken rule: trying again will not help. */
const badFrameLimit = 3;

export class Link {
  readonly #options: LinkOptions;
  readonly #client: CoordinatorClient;
  readonly #worker = randomUUID();
  readonly #fence = new Fence();
  readonly #control: Control;
  readonly #cache: ArtifactCache;
  #session: LinkSession | null = null;
  #run: JoinedRun | null = null;
  readonly #unfetched = new Set<string>();
  #runs = 0;
  #badFrames = 0;
  #leaving: string | null = null;
  #wake: (() => void) | null = null;

  /** @throws UserError when the address is not a coordinator's */
  constructor(options: LinkOptions) {
    this.#options = options;
    this.#client = new CoordinatorClient(options);
    this.#control = new Control(options.control);
    this.#cache = new ArtifactCache({
      cacheFolder: options.cacheFolder,
      client: this.#client,
    });
  }

  /** Works until the run, or the wait for a coordinator, ends. */
  async run(): Promise<Ending> {
    try {
      return await this.#keepConnected();
    } catch (error) {
      if (error instanceof UserError) return { exitCode: error.exitCode, message: error.message };
      throw error;
    }
  }

  /** A message from the trainer. */
  hear(message: ToLink): void {
    if (message.type === 'fetch') return this.#fetch(message.sha256);
    if (message.type === 'leave') {
      this.#leaving = message.reason;
      this.#session?.leave(message.reason);
      this.#wake?.();
      return;
    }
    if (this.#run?.session !== message.session) return;
    if (message.type === 'built') {
      const { digest, repeatable, failed } = message;
      this.#run.probe = { digest, repeatable, ...(failed === undefined ? {} : { failed }) };
      this.#session?.announceReady();
    } else if (message.type === 'needSlots') this.#run.uploads.freeSlots();
    else if (this.#session !== null) this.#session.fromTrainer(message);
    // The connection that this lease came on is gone: so is the lease.
    else if (message.type === 'contribution' && message.slot !== null) this.#run.giveBack(message.slot);
  }

  /** For the trainer. While there is no coordinator to ask, the question waits for the next connection. */
  #fetch(sha256: string): void {
    this.#cache.fetch({ sha256 }).then(
      (path) => this.#options.toTrainer({ type: 'fetched', sha256, path }),
      (error: unknown) => {
        if (!(error instanceof UserError)) throw error;
        if (error.exitCode === exitCodes.unavailable && this.#session?.isPrepared !== true)
          return void this.#unfetched.add(sha256);
        this.#options.toTrainer({ type: 'fetchFailed', sha256, message: error.message, exitCode: error.exitCode });
      },
    );
  }

  async #keepConnected(): Promise<Ending> {
    let aliveMs = performance.now();
    let waitMs = this.#firstWaitMs();
    for (;;) {
      if (this.#leaving !== null) return { exitCode: exitCodes.stopped, message: null };
      const outcome = await this.#oneConnection();
      if ('exitCode' in outcome) return outcome;
      if (outcome.wasAdmitted) [aliveMs, waitMs] = [performance.now(), this.#firstWaitMs()];
      this.#checkWait(aliveMs, outcome.reason);
      this.#log(outcome.reason === '' ? '' : `${outcome.reason}; trying again`);
      await this.#sleep(waitMs * (0.5 + Math.random() / 2));
      waitMs = Math.min(waitMs * 2, this.#options.backOffMs?.longest ?? 2000);
    }
  }

  #firstWaitMs(): number {
    return this.#options.backOffMs?.first ?? 100;
  }

  #lastLog = '';

  /** Says each thing once in a row: a coordinator that stays away is one line. */
  #log(text: string): void {
    if (text !== '' && text !== this.#lastLog) this.#options.toTrainer({ type: 'log', text });
    this.#lastLog = text;
  }

  #checkWait(aliveMs: number, reason: string): void {
    const waitedSeconds = (performance.now() - aliveMs) / 1000;
    if (waitedSeconds < this.#options.waitSeconds) return;
    throw new UserError(
      `${this.#client.address.text}: no coordinator for ${Math.round(waitedSeconds)} s (${reason}); started it?`,
      exitCodes.unavailable,
    );
  }

  /** One connection from its opening to its end. */
  async #oneConnection(): Promise<Ending | Interruption> {
    let connection: Connection;
    try {
      const { connect = (client: CoordinatorClient) => client.connect() } = this.#options;
      connection = await connect(this.#client);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      return { wasAdmitted: false, reason: `${this.#client.address.text}: ${error.message || 'cannot be reached'}` };
    }
    const session = new LinkSession({
      ...this.#options,
      control: this.#control,
      cache: this.#cache,
      fence: this.#fence,
      connection,
      worker: this.#worker,
      run: this.#run,
      newSession: () => ++this.#runs,
      onRun: (run) => {
        this.#run = run;
        for (const sha256 of this.#unfetched) this.#fetch(sha256);
        this.#unfetched.clear();
      },
    });
    this.#session = session;
    if (this.#leaving !== null) session.leave(this.#leaving);
    const closed = await session.finished();
    this.#session = null;
    this.#disconnect();
    return this.#judge(session, closed);
  }

  #disconnect(): void {
    if (this.#run === null) return;
    this.#run.fold.forgetHeld();
    this.#run.uploads.dropAll();
    this.#options.toTrainer({ type: 'disconnected', session: this.#run.session });
  }

  #judge(session: LinkSession, closed: Closed): Ending | Interruption {
    const { end } = session;
    if (end?.reason === 'done') return { exitCode: exitCodes.done, message: null };
    if (end?.reason === 'stopped') return { exitCode: exitCodes.stopped, message: end.text === '' ? null : end.text };
    if (this.#leaving !== null) return { exitCode: exitCodes.stopped, message: null };
    if (finalCloses.has(closed.code))
      throw new UserError(`the coordinator refused this worker: ${closed.reason}`, exitCodes.refused);
    this.#badFrames = closed.code === closeCodes.badFrame ? this.#badFrames + 1 : 0;
    if (this.#badFrames >= badFrameLimit)
      throw new UserError(
        `the protocol was broken ${badFrameLimit} times in a row: ${closed.reason}`,
        exitCodes.refused,
      );
    if (end?.reason === 'next') this.#run = null;
    const isCalledStale = closed.code === closeCodes.stale && session.closeReason === null;
    if (session.isReplicaLost || isCalledStale) this.#run?.lose();
    const why = session.closeReason ?? closed.reason;
    const reason = why === '' ? `connection lost (${closed.code})` : `connection lost: ${why}`;
    return { wasAdmitted: session.isAdmitted, reason: end?.reason === 'next' ? '' : reason };
  }

  #sleep(ms: number): Promise<void> {
    if (this.#leaving !== null) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** The connection ended and the worker does not. */
interface Interruption {
  readonly wasAdmitted: boolean;
  readonly reason: string;
}

/**
 * The link: everything between the socket and the trainer, on a worker thread of its own, so that nothing that the
 * trainer does delays a heartbeat or a commit. This file keeps the connection: it opens it, opens it again after a
 * loss, and says when and how the worker ends. What happens on an open connection is in session.ts.
 *
 * It never ends the worker because a coordinator is away for less than the wait, and never waits longer than that.
 */
import type { EndedBefore } from '../../shared/protocol/ended-before.js';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { exitCodes, UserError } from '../../shared/errors.js';
import { closeCodes } from '../../shared/protocol/messages.js';
import { Control } from '../threads/control.js';
import type { LinkStart, ToLink, ToTrainer } from '../threads/messages.js';
import { ArtifactCache } from './artifact-cache.js';
import { Unreachable, type Connection } from './connection.js';
import { CoordinatorClient } from './coordinator-client.js';
import { Fence } from './fence.js';
import type { VigilOptions } from './heartbeat.js';
import { placeOf, type JoinedRun, type SlotsOf } from './joined-run.js';
import type { LinkObserver } from './observer.js';
import { LinkSession, type Leaving, type SessionEnd } from './session.js';

export interface LinkOptions extends LinkStart, VigilOptions {
  readonly toTrainer: (message: ToTrainer) => void;
  /** How many slots replicas have; absent: as many as a trainer needs. */
  readonly slotsOf?: SlotsOf | undefined;
  /** Who else follows what comes; absent: nobody. */
  readonly observer?: LinkObserver | undefined;
  /** Milliseconds between attempts: the first, and the longest. */
  readonly backOffMs?: { readonly first: number; readonly longest: number };
  /** How a connection is opened; by the client itself unless a test has another way. */
  readonly connect?: (client: CoordinatorClient) => Promise<Connection>;
}

/** How the worker ends: the link's last message to the trainer. */
export type Ending = Extract<ToTrainer, { type: 'end' }>;

/** The connection ended and the worker does not. */
interface Interruption {
  readonly type: 'interruption';
  readonly wasReady: boolean;
  /** What the user is told; empty for nothing. */
  readonly reason: string;
  /** Whether the next address is to be tried, where there are several. */
  readonly isPlaceLost: boolean;
}

/** Closes that say: not you, not now, not later. */
const finalCloses = new Set<number>([closeCodes.unauthorized, closeCodes.refused]);
/** How long a coordinator may take from the end of a run to listening for the next one without being said to be away. */
const betweenRunsMs = 10_000;

/** After so many connections in a row that were closed for a broken rule, trying again does not help. */
const badFrameLimit = 3;
const defaultBackOffMs = { first: 100, longest: 2000 };

export class Link {
  readonly #options: LinkOptions;
  readonly #client: CoordinatorClient;
  /** Random name of this process, kept over connections. */
  readonly #worker = randomUUID();
  readonly #fence = new Fence();
  readonly #control: Control;
  readonly #cache: ArtifactCache;
  /** Aborted when the worker is to leave, with a Leaving, which is said to the coordinator. */
  readonly #leaving = new AbortController();
  #session: LinkSession | null = null;
  #run: JoinedRun | null = null;
  /** Runs that this worker has joined so far. */
  #runs = 0;
  /** Artifacts that the trainer needs and that could not be asked for yet. */
  readonly #unfetched = new Set<string>();
  #badFrames = 0;
  /** Addresses in a row that have refused this worker, or were not there, since it last was ready. */
  #refusals = 0;
  #tries = 0;
  /** When the coordinator said that another run follows, by performance.now(); null: it did not. */
  #nextMs: number | null = null;
  #lastLog = '';
  /** What was said since this worker was ready last. */
  readonly #told = new Set<string>();
  /** What this process has said last. */
  #said: readonly string[] = [];
  /** How the process before this one was killed; null where nothing is to be told of one, any more. */
  #before: EndedBefore | null;

  /** @throws UserError 2 when the address is not a coordinator's */
  constructor(options: LinkOptions) {
    this.#options = options;
    this.#before = options.before ?? null;
    this.#client = new CoordinatorClient(options);
    this.#control = new Control(options.control);
    this.#cache = new ArtifactCache({ cacheFolder: options.cacheFolder, client: this.#client });
  }

  /** Works until the run, or the wait for a coordinator, ends. */
  async run(): Promise<Ending> {
    try {
      return await this.#keepConnected();
    } catch (error) {
      if (error instanceof UserError) return { type: 'end', exitCode: error.exitCode, message: error.message };
      throw error;
    }
  }

  /** Takes a message of the trainer. */
  hear(message: ToLink): void {
    if (message.type === 'fetch') return this.#fetch(message.sha256);
    if (message.type === 'leave') return this.#leave(message);
    if (message.type === 'said') return void (this.#said = message.lines);
    const run = this.#run;
    if (run?.runNumber !== message.runNumber) return;
    switch (message.type) {
      case 'built': {
        const { digest, repeatable, numerics, failed } = message;
        run.probe = {
          digest,
          repeatable,
          ...(numerics === undefined ? {} : { numerics }),
          ...(failed === undefined ? {} : { failed }),
        };
        return this.#session?.announceReady();
      }
      case 'unbuilt':
        run.probe = null;
        return this.#session?.giveLeasesBack(message.reason);
      case 'needSlots':
        return run.uploads.freeSlots();
      case 'spans':
        return this.#session?.trace(message);
      case 'contribution':
      case 'failed': {
        // Where the lease is gone, with its connection or by a cancel, the contribution's slot is free again.
        const isTaken = this.#session?.report(message) === true;
        if (!isTaken && message.type === 'contribution' && message.slot !== null) run.giveBack(message.slot);
        return;
      }
      default: {
        const unknown: never = message;
        throw new Error(`unknown message ${JSON.stringify(unknown)}`);
      }
    }
  }

  #leave(leaving: Leaving): void {
    // What came first is why it leaves.
    this.#leaving.abort(leaving);
    this.#session?.leave(leaving);
  }

  /** Fetches an artifact for the trainer. While there is no coordinator to ask, the question waits for the next one. */
  #fetch(sha256: string): void {
    this.#cache.fetchAnnounced(sha256).then(
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
    const { first, longest } = this.#options.backOffMs ?? defaultBackOffMs;
    let aliveMs = performance.now();
    let waitMs = first;
    for (;;) {
      if (this.#isLeaving) return { type: 'end', exitCode: exitCodes.stopped, message: null };
      const outcome = await this.#connectOnce();
      if (outcome.type === 'end') return outcome;
      if (outcome.wasReady) this.#told.clear();
      if (outcome.wasReady) [aliveMs, waitMs, this.#tries] = [performance.now(), first, 0];
      this.#checkWait(aliveMs, outcome.reason);
      const next = outcome.isPlaceLost ? this.#moveOn() : 'again';
      this.#log(outcome.reason === '' || this.#isBetweenRuns ? '' : `${outcome.reason}; ${this.#tryingText(next)}`);
      if (next === 'another') continue;
      await this.#pause(waitMs * (0.5 + Math.random() / 2));
      waitMs = Math.min(waitMs * 2, longest);
    }
  }

  /** @returns `another`: an address that was not tried in this round; `again`: all were, so that a wait is due */
  #moveOn(): 'another' | 'again' {
    const { addresses } = this.#client;
    if (addresses === 1) return 'again';
    this.#client.moveOn();
    return ++this.#tries % addresses === 0 ? 'again' : 'another';
  }

  #tryingText(next: 'another' | 'again'): string {
    return this.#client.addresses === 1 || next === 'again' ? 'trying again' : `trying ${this.#client.address.text}`;
  }

  /** One connection from its opening to its end. @throws UserError 77 where every address refuses this worker */
  async #connectOnce(): Promise<Ending | Interruption> {
    try {
      const outcome = await this.#connectHere();
      this.#refusals = 0;
      return outcome;
    } catch (error) {
      if (!(error instanceof UserError) || error.exitCode !== exitCodes.refused) throw error;
      if (++this.#refusals >= this.#client.addresses) throw error;
      return { type: 'interruption', wasReady: false, reason: error.message, isPlaceLost: true };
    }
  }

  async #connectHere(): Promise<Ending | Interruption> {
    const { connect = (client: CoordinatorClient) => client.connect() } = this.#options;
    let connection: Connection;
    try {
      connection = await connect(this.#client);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      const reason = `${this.#client.address.text}: ${error.message || 'cannot be reached'}`;
      return { type: 'interruption', wasReady: false, reason, isPlaceLost: true };
    }
    const session = this.#openSession(connection);
    this.#session = session;
    if (this.#isLeaving) session.leave(this.#leaving.signal.reason as Leaving);
    const end = await session.finished();
    this.#session = null;
    this.#disconnect();
    return this.#judge(end);
  }

  #openSession(connection: Connection): LinkSession {
    return new LinkSession({
      ...this.#options,
      memoryFolder: this.#client.isOnThisHost ? this.#options.memoryFolder : null,
      control: this.#control,
      cache: this.#cache,
      fence: this.#fence,
      connection,
      worker: this.#worker,
      run: this.#run,
      nextRunNumber: () => ++this.#runs,
      lastLines: () => this.#said,
      before: this.#before,
      onRun: (run) => {
        [this.#run, this.#before] = [run, null];
        for (const sha256 of this.#unfetched) this.#fetch(sha256);
        this.#unfetched.clear();
      },
    });
  }

  /** What came on the connection goes with it; the replica stays. */
  #disconnect(): void {
    if (this.#run === null) return;
    this.#run.fold.forgetHeld();
    this.#run.uploads.dropAll();
    this.#options.toTrainer({ type: 'disconnected', runNumber: this.#run.runNumber });
  }

  /** What the end of a connection means for the worker. @throws UserError 77 when the coordinator refuses it */
  #judge({ cause, closed, isReplicaLost, wasReady }: SessionEnd): Ending | Interruption {
    const end = cause.type === 'end' ? cause.message : null;
    if (end?.reason === 'done')
      return { type: 'end', exitCode: exitCodes.done, message: end.text === '' ? null : end.text };
    if (end?.reason === 'stopped')
      return {
        type: 'end',
        exitCode: exitCodes.stopped,
        message: end.text === '' ? null : `the run has stopped: ${end.text}`,
      };
    if (this.#isLeaving) return { type: 'end', exitCode: exitCodes.stopped, message: null };
    if (finalCloses.has(closed.code))
      throw new UserError(`the coordinator refused this worker: ${closed.reason}`, exitCodes.refused);
    this.#countBadFrames(closed);
    this.#nextMs = end?.reason === 'next' ? performance.now() : null;
    if (end?.reason === 'next') {
      this.#run = null;
      return { type: 'interruption', wasReady, reason: '', isPlaceLost: false };
    }
    const isCalledStale = closed.code === closeCodes.stale && cause.type === 'lost';
    if (isReplicaLost || isCalledStale) this.#run?.lose();
    const isPlaceLost = closed.code !== closeCodes.done;
    return { type: 'interruption', wasReady, reason: reasonOf(cause, closed), isPlaceLost };
  }

  #countBadFrames({ code, reason }: SessionEnd['closed']): void {
    this.#badFrames = code === closeCodes.badFrame ? this.#badFrames + 1 : 0;
    if (this.#badFrames >= badFrameLimit)
      throw new UserError(`the protocol was broken ${badFrameLimit} times in a row: ${reason}`, exitCodes.refused);
  }

  #checkWait(aliveMs: number, reason: string): void {
    const waitedSeconds = (performance.now() - aliveMs) / 1000;
    if (waitedSeconds < this.#options.waitSeconds) return;
    throw new UserError(
      `${this.#client.address.text}: no coordinator for ${Math.round(waitedSeconds)} s (${reason}); started it?`,
      exitCodes.unavailable,
    );
  }

  /** Says each thing once in a row: a coordinator that stays away is one line. */
  #log(text: string): void {
    // Several addresses that are away alternate.
    const isSaid = this.#client.addresses === 1 ? text === this.#lastLog : this.#told.has(text);
    this.#told.add(text);
    if (text !== '' && !isSaid) this.#options.toTrainer({ type: 'log', text, place: placeOf(this.#worker, this.#run) });
    this.#lastLog = text;
  }

  /** Waits, unless the worker is to leave. */
  async #pause(ms: number): Promise<void> {
    try {
      await sleep(ms, undefined, { signal: this.#leaving.signal });
    } catch (error) {
      if (!this.#isLeaving) throw error;
    }
  }

  /** Whether the coordinator has just said that another run follows, for which it listens anew. */
  get #isBetweenRuns(): boolean {
    return this.#nextMs !== null && performance.now() - this.#nextMs < betweenRunsMs;
  }

  get #isLeaving(): boolean {
    return this.#leaving.signal.aborted;
  }
}

/** Why the connection ended, as the user is told. */
function reasonOf(cause: SessionEnd['cause'], closed: SessionEnd['closed']): string {
  const why = cause.type === 'fault' ? cause.reason : cause.type === 'resync' ? 'resync' : closed.reason;
  return why === '' ? `connection lost (${closed.code})` : `connection lost: ${why}`;
}

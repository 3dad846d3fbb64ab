/**
 * One open connection, from hello to close: who we are, what the run is, then leases down, contributions up, commits
 * held and released. Frames are handled one after the other, in order; only preparing a run takes longer than a moment,
 * and frames wait for it while heartbeats do not.
 */
import { readFile } from 'node:fs/promises';
import { exitCodes, ProtocolError, UserError } from '../../shared/errors.js';
import { faultPoint } from '../../shared/fault-points.js';
import {
  closeCodes,
  limits,
  protocolVersion,
  type Device,
  type Down,
  type DownMessage,
  type UpMessage,
} from '../../shared/protocol/messages.js';
import { allowanceMs, withMeasured, type RoundTrip } from '../../shared/protocol/round-trip.js';
import type { ArtifactCache } from './artifact-cache.js';
import type { Closed, Connection } from './connection.js';
import type { Fence } from './fence.js';
import { expectPlugins } from '../compute/losses/load-plugins.js';
import { fetchRun, JoinedRun, type RunFiles } from './joined-run.js';
import type { LinkView } from '../threads/control.js';
import type { ToLink, ToTrainer } from '../threads/messages.js';

export interface LinkSessionOptions {
  readonly connection: Connection;
  readonly device: Device;
  /** SHA-256 of the plug-ins that are installed, by name. */
  readonly plugins: Readonly<Record<string, string>>;
  readonly worker: string;
  readonly control: LinkView;
  readonly cache: ArtifactCache;
  readonly fence: Fence;
  /** What an earlier connection prepared, if anything. */
  readonly run: JoinedRun | null;
  readonly newSession: () => number;
  readonly onRun: (run: JoinedRun) => void;
  readonly toTrainer: (message: ToTrainer) => void;
  /** Nothing heard for so long, and for what an answer may take: the coordinator is gone or cut off. */
  readonly silenceMs?: number;
  /** A trainer that has work and makes no progress for so long is stuck. */
  readonly stallMs?: number;
  readonly onStall?: () => void;
}

type FromTrainer = Extract<ToLink, { type: 'contribution' | 'failed' }>;
const defaultSilenceMs = 5000;
const defaultStallMs = 600_000;
/** The digest of no bytes. */
const emptyDigest = '0'.repeat(16);

/** Files of a run that is new to this worker, and the snapshot's state where there is one. */
interface Fetched {
  readonly files: RunFiles | null;
  readonly state: Uint8Array | null;
}

export class LinkSession {
  /** The coordinator's last word, if it came. */
  end: Down<'end'> | null = null;
  /** The replica differs from the coordinator's. */
  isReplicaLost = false;
  /** The coordinator was told so, and is to answer. */
  #awaitsVerdict = false;
  /** Why this side closed the connection, if it did. */
  closeReason: string | null = null;
  /** Whether the run's models lie here and the trainer knows of them. */
  isPrepared = false;
  /** Whether the worker got as far as being ready. */
  isAdmitted = false;
  readonly #options: LinkSessionOptions;
  readonly #inbox: { readonly message: DownMessage; readonly payload: Uint8Array }[] = [];
  readonly #openLeases = new Map<number, number>();
  #welcome: Down<'welcome'> | null = null;
  #run: JoinedRun | null;
  #isPreparing = false;
  #isOver = false;
  #heartbeat: NodeJS.Timeout | null = null;
  #heardMs = performance.now();
  /** Measured since the last heartbeat, if any. */
  #rttMs: number | undefined;
  #roundTrip: RoundTrip | null = null;
  #progress = { count: -1, sinceMs: performance.now() };
  #failure: Error | null = null;

  constructor(options: LinkSessionOptions) {
    this.#options = options;
    this.#run = options.run;
  }

  /** Serves the connection until it closes. @throws UserError when this worker cannot take part */
  async finished(): Promise<Closed> {
    const { connection } = this.#options;
    connection.receive((message, payload) => {
      this.#heardMs = performance.now();
      this.#inbox.push({ message, payload });
      this.#drain();
    });
    this.#sayHello();
    const closed = await connection.closed;
    this.#isOver = true;
    if (this.#heartbeat !== null) clearInterval(this.#heartbeat);
    if (this.#failure !== null) throw this.#failure;
    return closed;
  }

  leave(reason: string): void {
    if (this.#welcome === null) return this.#options.connection.close(closeCodes.done, reason);
    this.#send({ type: 'leave', ...this.#envelope(), reason }, () =>
      this.#options.connection.close(closeCodes.done, reason),
    );
  }

  /**
   * Says `ready` once the probe is there and the replica has come as far as the coordinator was when it said welcome.
   */
  announceReady(): void {
    const [run, welcome] = [this.#run, this.#welcome];
    const probe = run?.probe ?? null;
    if (
      this.isAdmitted ||
      this.#isPreparing ||
      welcome === null ||
      run === null ||
      probe === null ||
      run.fold.step < welcome.step
    )
      return;
    this.isAdmitted = true;
    this.#send({ type: 'ready', ...this.#envelope(), stateHash: run.fold.stateHash, probe }, () => faultPoint('idle'));
  }

  fromTrainer(message: FromTrainer): void {
    const run = this.#run;
    if (run === null) return;
    if (!this.#openLeases.delete(message.lease)) {
      // Cancelled while it was being computed.
      if (message.type === 'contribution' && message.slot !== null) run.giveBack(message.slot);
    } else if (message.type === 'failed') {
      const { lease, microBatch, reason, teacher } = message;
      this.#send({
        type: 'failed',
        ...this.#envelope(),
        lease,
        microBatch,
        reason: reason.slice(0, 1024),
        ...(teacher === undefined ? {} : { teacher }),
      });
    } else this.#offer(run, message);
  }

  #offer(run: JoinedRun, computed: Extract<FromTrainer, { type: 'contribution' }>): void {
    const { lease, step, slot, stateHash, sums, momentCounts, seconds } = computed;
    const digest = slot === null ? emptyDigest : run.fold.replica.hashSlot(slot);
    const bytes = slot === null ? null : run.uploads.keep(lease, step, slot);
    const size = bytes?.byteLength ?? 0;
    this.#send(
      {
        type: 'offer',
        ...this.#envelope(),
        step,
        lease,
        stateHash,
        bytes: size,
        digest,
        sums: { ...sums },
        momentCounts: [...momentCounts],
        seconds: { ...seconds, optimizer: run.fold.takeSeconds() },
      },
      undefined,
      bytes !== null && size <= limits.chunkBytes ? bytes : undefined,
    );
  }

  #sayHello(): void {
    const { worker, device } = this.#options;
    this.#send({
      type: 'hello',
      run: '',
      generation: 0,
      step: this.#run?.fold.step ?? 0,
      protocol: protocolVersion,
      worker,
      device,
      recipeDigest: this.#run?.recipeDigest ?? null,
      held: this.#run?.held() ?? null,
    });
  }

  #drain(): void {
    while (!this.#isPreparing) {
      const next = this.#inbox.shift();
      if (next === undefined) return;
      try {
        this.#handle(next.message, next.payload);
      } catch (error) {
        this.#fail(error);
        return;
      }
    }
  }

  /** A broken rule closes this connection; an error of the user's ends the worker; anything else is a bug. */
  #fail(error: unknown): void {
    this.#inbox.length = 0;
    if (error instanceof ProtocolError) return this.#closeFor(error.closeCode, error.message);
    // What cannot be had now may be had later: the coordinator may just have gone.
    if (error instanceof UserError && error.exitCode === exitCodes.unavailable)
      return this.#closeFor(closeCodes.done, error.message);
    this.#failure = error instanceof Error ? error : new Error('internal error', { cause: error });
    const reason = this.#failure.message;
    if (error instanceof UserError && this.#welcome !== null) return this.leave(reason);
    this.#options.connection.close(closeCodes.shutdown, reason);
  }

  #closeFor(code: number, reason: string): void {
    this.closeReason = reason;
    this.#options.connection.close(code, reason);
  }

  #handle(message: DownMessage, payload: Uint8Array): void {
    if (message.type === 'end') return this.#onEnd(message);
    if (this.#awaitsVerdict && message.type !== 'resync') return;
    if (message.type === 'welcome') return this.#onWelcome(message);
    const run = this.#runOf(message);
    switch (message.type) {
      case 'lease':
        faultPoint('leased');
        this.#openLeases.set(message.lease.id, message.lease.step);
        return this.#tellTrainer({ type: 'lease', session: run.session, lease: message.lease });
      case 'cancel':
        this.#openLeases.delete(message.lease);
        run.uploads.drop(message.lease);
        return this.#tellTrainer({ type: 'cancel', session: run.session, lease: message.lease });
      case 'pull':
        return run.uploads.send(message.lease, this.#options.connection, this.#envelope());
      case 'commit':
        faultPoint('before-fsync');
        return run.fold.hold(message, payload);
      case 'commitChunk':
        run.fold.collect(message, payload);
        return faultPoint('after-fsync');
      case 'release':
        return this.#onRelease(run, message);
      case 'resync':
        return this.#dropReplica(message.reason);
      case 'pong':
        this.#rttMs = Math.max(0, performance.now() - message.sentMs);
        this.#roundTrip = withMeasured(this.#roundTrip, this.#rttMs);
        return;
      default: {
        const unknown: never = message;
        throw new ProtocolError(`an unknown message ${JSON.stringify(unknown)}`);
      }
    }
  }

  /** @throws ProtocolError for a frame of another run or generation than the welcome's, or before it */
  #runOf(message: DownMessage): JoinedRun {
    const [run, welcome] = [this.#run, this.#welcome];
    if (run === null || welcome === null) throw new ProtocolError(`a ${message.type} came before the welcome`);
    if (message.run !== welcome.run || message.generation !== welcome.generation) {
      throw new ProtocolError(
        `a ${message.type} of run ${message.run}, generation ${message.generation} came in ${welcome.run}, ${welcome.generation}`,
        closeCodes.stale,
      );
    }
    return run;
  }

  #onEnd(message: Down<'end'>): void {
    this.end = message;
    this.#options.connection.close(closeCodes.done, 'end');
  }

  #onWelcome(welcome: Down<'welcome'>): void {
    if (this.#welcome !== null) throw new ProtocolError('a second welcome');
    const objection = this.#options.fence.admit(welcome.run, welcome.generation, welcome.nonce);
    if (objection !== null) throw new ProtocolError(objection, closeCodes.stale);
    this.#welcome = welcome;
    expectPlugins(welcome.plugins ?? [], this.#options.plugins);
    this.#heartbeat = setInterval(() => this.#beat(), welcome.heartbeatMs);
    this.#isPreparing = true;
    this.#options.connection.pause();
    this.#fetchAll(welcome).then(
      (fetched) => {
        // The connection may have closed meanwhile, and another may be preparing already.
        if (!this.#isOver) this.#start(welcome, fetched);
      },
      (error: unknown) => {
        if (!this.#isOver) this.#fail(error);
      },
    );
  }

  async #fetchAll(welcome: Down<'welcome'>): Promise<Fetched> {
    const { cache } = this.#options;
    const isKept = this.#run?.recipeDigest === welcome.recipeDigest;
    const files = isKept ? null : await fetchRun(welcome, cache);
    const state = welcome.snapshot === null ? null : await readFile(await cache.fetch(welcome.snapshot));
    faultPoint('snapshot');
    return { files, state };
  }

  #start(welcome: Down<'welcome'>, fetched: Fetched): void {
    try {
      this.#openRun(welcome, fetched);
    } catch (error) {
      return this.#fail(error);
    }
    this.#isPreparing = false;
    this.#heardMs = performance.now();
    this.#options.connection.resume();
    this.announceReady();
    this.#drain();
  }

  #openRun(welcome: Down<'welcome'>, { files, state }: Fetched): void {
    const run =
      files === null
        ? this.#run
        : new JoinedRun(welcome, files, { ...this.#options, session: this.#options.newSession() });
    if (run === null) throw new Error('a run without files');
    if (state !== null) run.fold.load(state, welcome.snapshot?.step ?? 0);
    else if (run.nonce === null)
      throw new ProtocolError('a welcome without a snapshot for a worker that holds nothing');
    run.nonce = welcome.nonce;
    if (files !== null) this.#tellTrainer(run.begin);
    this.#run = run;
    this.isPrepared = true;
    this.#options.onRun(run);
    this.#tellTrainer({ type: 'weights', session: run.session, step: run.fold.step });
  }

  #onRelease(run: JoinedRun, message: Down<'release'>): void {
    faultPoint('partial-release');
    const outcome = run.fold.release(message);
    if (outcome === 'repeated') return;
    faultPoint('before-acknowledgement');
    if (outcome === 'differs') return this.#sayDiffers(run);
    run.uploads.dropThrough(message.step);
    this.#tellTrainer({ type: 'weights', session: run.session, step: run.fold.step });
    this.announceReady();
  }

  /** Whether it starts again from a snapshot, or has done so too often, is for the coordinator to say. */
  #sayDiffers(run: JoinedRun): void {
    [this.isReplicaLost, this.#awaitsVerdict] = [true, true];
    this.#openLeases.clear();
    this.#send({ type: 'differs', ...this.#envelope(), stateHash: run.fold.stateHash });
  }

  #dropReplica(reason: string): void {
    this.isReplicaLost = true;
    this.#tellTrainer({ type: 'log', text: `replica dropped: ${reason}` });
    this.#inbox.length = 0;
    this.#closeFor(closeCodes.done, 'resync');
  }

  #beat(): void {
    const { control, connection, silenceMs = defaultSilenceMs } = this.#options;
    const nowMs = performance.now();
    // A paused socket hears nothing; then a broken download is what tells.
    if (!this.#isPreparing && nowMs - this.#heardMs > silenceMs + allowanceMs(this.#roundTrip))
      return connection.terminate();
    this.#watchTrainer(nowMs);
    this.#send({
      type: 'heartbeat',
      ...this.#envelope(),
      progress: control.progress,
      sentMs: nowMs,
      ...(this.#rttMs === undefined ? {} : { rttMs: this.#rttMs }),
      rssBytes: process.memoryUsage.rss(),
      tensors: control.tensors,
    });
    this.#rttMs = undefined;
  }

  #watchTrainer(nowMs: number): void {
    const { control, stallMs = defaultStallMs, onStall } = this.#options;
    const isDue = control.isBusy || [...this.#openLeases.values()].some((step) => step <= control.step);
    if (control.progress !== this.#progress.count || !isDue)
      this.#progress = { count: control.progress, sinceMs: nowMs };
    if (nowMs - this.#progress.sinceMs > stallMs) onStall?.();
  }

  #envelope(): { run: string; generation: number; step: number } {
    return {
      run: this.#welcome?.run ?? '',
      generation: this.#welcome?.generation ?? 0,
      step: this.#run?.fold.step ?? 0,
    };
  }

  #send(message: UpMessage, whenSent?: () => void, payload?: Uint8Array): void {
    this.#options.connection.send(message, payload, whenSent);
  }

  #tellTrainer(message: ToTrainer): void {
    this.#options.toTrainer(message);
  }
}

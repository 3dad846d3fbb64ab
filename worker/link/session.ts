/**
 * One connection to the coordinator, from hello to close: who this worker is, what the run is, then leases down,
 * contributions up, commits held and released. Where it stands is in session-state.ts. Frames are handled one after the
 * other, in order; only preparing a run takes longer than a moment, and frames wait for it while heartbeats do not.
 */
import { exitCodes, ProtocolError, UserError } from '../../shared/errors.js';
import type { Plane } from '../../shared/exchange/plane.js';
import { socketPlane } from '../../shared/exchange/planes/socket.js';
import { faultPoint } from '../../shared/fault-points.js';
import {
  closeCodes,
  limits,
  protocolVersion,
  type Device,
  type Down,
  type DownMessage,
} from '../../shared/protocol/messages.js';
import type { EndedBefore } from '../../shared/protocol/ended-before.js';
import { fitToSay } from '../../shared/protocol/fields.js';
import { expectPlugins } from '../compute/losses/load-plugins.js';
import type { LinkView } from '../threads/control.js';
import type { LastWords, ToLink, ToTrainer } from '../threads/messages.js';
import { processMs } from '../threads/process-clock.js';
import type { ArtifactCache } from './artifact-cache.js';
import type { Closed, Connection } from './connection.js';
import type { Fence } from './fence.js';
import { Heartbeat, type Envelope, type VigilOptions } from './heartbeat.js';
import { JoinedRun, placeOf, type SlotsOf } from './joined-run.js';
import type { LinkObserver } from './observer.js';
import { OfferedFile } from './offered-file.js';
import { OpenLeases, type LeaseReport } from './open-leases.js';
import { fetchMissing, type Fetched } from './run-files.js';
import { SpanSender } from './span-sender.js';
import {
  admitted,
  closing,
  disputed,
  isReplicaLost,
  joined,
  runOf,
  runOfFrame,
  wasReady,
  welcomed,
  welcomeOf,
  type Cause,
  type Preparing,
  type SessionState,
} from './session-state.js';

export interface LinkSessionOptions extends VigilOptions {
  readonly connection: Connection;
  readonly device: Device;
  /** SHA-256 of the plug-ins that are installed, by name; null where nothing is computed here. */
  readonly plugins: Readonly<Record<string, string>> | null;
  readonly worker: string;
  readonly control: LinkView;
  readonly cache: ArtifactCache;
  readonly fence: Fence;
  /** The run that an earlier connection has joined, if any. */
  readonly run: JoinedRun | null;
  readonly nextRunNumber: () => number;
  /** What this process has said last, for the coordinator where it fails here. */
  readonly lastLines: () => readonly string[];
  /** How the process before this one was killed, where that is to be told; null: not. */
  readonly before: EndedBefore | null;
  /** Where a file for bulk bytes is made; null where none is offered to the coordinator. */
  readonly memoryFolder: string | null;
  readonly onRun: (run: JoinedRun) => void;
  /** How many slots the replica of a new run has; absent: as many as a trainer needs. */
  readonly slotsOf?: SlotsOf | undefined;
  readonly observer?: LinkObserver | undefined;
  readonly toTrainer: (message: ToTrainer) => void;
}

/** Why a worker leaves, as the coordinator is told. */
export type Leaving = Pick<Extract<ToLink, { type: 'leave' }>, 'reason' | 'failure'>;

/** How a connection came to its end. */
export interface SessionEnd {
  readonly closed: Closed;
  readonly cause: Cause;
  /** Whether the worker got as far as being ready. */
  readonly wasReady: boolean;
  /** Whether the replica must not be used any more. */
  readonly isReplicaLost: boolean;
}

interface Frame {
  readonly message: DownMessage;
  readonly payload: Uint8Array;
}

export class LinkSession {
  readonly #options: LinkSessionOptions;
  readonly #heartbeat: Heartbeat;
  readonly #leases: OpenLeases;
  /** Frames that have come and are not handled yet. */
  readonly #frames: Frame[] = [];
  readonly #offered: OfferedFile;
  #plane: Plane = socketPlane;
  #state: SessionState = { type: 'greeting' };
  /** What this worker does, for the coordinator; null where the run is not traced. */
  #spans: SpanSender | null = null;

  constructor(options: LinkSessionOptions) {
    this.#options = options;
    const envelope = (): Envelope => this.#envelope();
    this.#offered = new OfferedFile(options.memoryFolder, (text) =>
      this.#tell({ type: 'log', text, place: placeOf(options.worker, options.run) }),
    );
    this.#leases = new OpenLeases(options.connection, envelope, (name, startMs, place) =>
      this.#spans?.add(name, startMs, place),
    );
    this.#heartbeat = new Heartbeat({
      ...options,
      envelope,
      isListening: () => this.#state.type !== 'preparing',
      hasWork: () => this.#leases.hasDue(options.control.step),
      onBeat: () => this.#spans?.flush(),
    });
  }

  /** Whether the run's models lie here and the trainer knows of them, while the connection is open. */
  get isPrepared(): boolean {
    return this.#state.type !== 'closing' && runOf(this.#state) !== null;
  }

  /** Serves the connection until it closes. @throws UserError when this worker cannot take part */
  async finished(): Promise<SessionEnd> {
    const { connection } = this.#options;
    connection.receive((message, payload) => {
      this.#heartbeat.heard();
      this.#frames.push({ message, payload });
      this.#handleFrames();
    });
    this.#sayHello();
    const closed = await connection.closed;
    this.#heartbeat.stop();
    this.#offered.close();
    const state = closing(this.#state, { type: 'lost' });
    this.#state = state;
    if (state.cause.type === 'failure') throw state.cause.error;
    return { closed, cause: state.cause, wasReady: wasReady(state), isReplicaLost: isReplicaLost(state) };
  }

  /** Leaves in good order. */
  leave(leaving: Leaving): void {
    if (this.#state.type !== 'closing') this.#leave(leaving, { type: 'leaving' });
  }

  /** Ends the connection, so that its leases are open again; the next one is ready when there is a probe again. */
  giveLeasesBack(reason: string): void {
    if (this.#state.type === 'closing') return;
    this.#close(closeCodes.done, reason, { type: 'fault', reason });
  }

  /** Says `ready` once the probe is there and the replica has come to where the coordinator was at the welcome. */
  announceReady(): void {
    const state = this.#state;
    if (state.type !== 'catchingUp') return;
    const { run, welcome } = state;
    if (run.probe === null || run.fold.step < welcome.step) return;
    this.#state = admitted(state);
    this.#options.connection.send(
      { type: 'ready', ...this.#envelope(), stateHash: run.fold.stateHash, probe: run.probe },
      undefined,
      () => faultPoint('idle'),
    );
  }

  /** Answers a lease. @returns false when no such lease is open on this connection */
  report(report: LeaseReport): boolean {
    const run = runOf(this.#state);
    return run !== null && this.#state.type !== 'closing' && this.#leases.report(run, report);
  }

  /** Takes what the trainer did. */
  trace({ spans, lost }: Pick<Extract<ToLink, { type: 'spans' }>, 'spans' | 'lost'>): void {
    if (this.#state.type !== 'closing') this.#spans?.addAll(spans, lost);
  }

  #sayHello(): void {
    const { connection, worker, device, run } = this.#options;
    connection.send({
      type: 'hello',
      ...this.#envelope(),
      protocol: protocolVersion,
      worker,
      device,
      recipeDigest: run?.recipeDigest ?? null,
      held: run?.held() ?? null,
      ...(this.#options.before === null ? {} : { before: this.#options.before }),
      ...(this.#offered.name === undefined ? {} : { memory: this.#offered.name }),
    });
  }

  #handleFrames(): void {
    while (this.#state.type !== 'preparing') {
      const frame = this.#frames.shift();
      if (frame === undefined) return;
      try {
        this.#handle(frame);
      } catch (error) {
        return this.#fail(error);
      }
    }
  }

  #handle({ message, payload }: Frame): void {
    const state = this.#state;
    if (message.type === 'end') {
      this.#spans?.flush();
      this.#options.observer?.onEnd(message);
      return this.#close(closeCodes.done, 'end', { type: 'end', message });
    }
    if (state.type === 'closing') return;
    if (state.type === 'disputed' && message.type !== 'resync') return;
    if (message.type === 'welcome') return this.#onWelcome(welcomed(state, message));
    const run = runOfFrame(state, message);
    switch (message.type) {
      case 'lease':
        this.#leases.open(message.lease);
        return this.#tell({ type: 'lease', runNumber: run.runNumber, lease: message.lease });
      case 'cancel':
        this.#leases.cancel(run, message.lease);
        return this.#tell({ type: 'cancel', runNumber: run.runNumber, lease: message.lease });
      case 'pull':
        return this.#leases.pull(run, message.lease);
      case 'commit':
        faultPoint('before-fsync');
        this.#spans?.receives(message, payload);
        run.fold.hold(message, payload);
        return this.#noticeHeld(run, message.step);
      case 'commitChunk':
        run.fold.collect(message, payload);
        if (run.fold.isHeldWhole) this.#spans?.received(message.step);
        this.#plane.handled(message);
        this.#noticeHeld(run, message.step);
        return faultPoint('after-fsync');
      case 'took':
        this.#plane.taken(message.chunks);
        return run.uploads.resume();
      case 'release':
        return this.#onRelease(run, message);
      case 'resync':
        return this.#onResync(message);
      case 'pong':
        this.#spans?.answered(message);
        return this.#heartbeat.answered(message.sentMs);
      default: {
        const unknown: never = message;
        throw new ProtocolError(`an unknown message ${JSON.stringify(unknown)}`);
      }
    }
  }

  /** Whoever follows is told of a commit once it is whole. */
  #noticeHeld({ fold }: JoinedRun, step: number): void {
    const { held } = fold;
    if (held?.step === step && fold.isHeldWhole) this.#options.observer?.onHeld(held);
  }

  #onWelcome(state: Preparing): void {
    const { fence, plugins, connection, run, cache, control } = this.#options;
    const { welcome } = state;
    const objection = fence.admit(welcome.run, welcome.generation, welcome.nonce);
    if (objection !== null) throw new ProtocolError(objection, closeCodes.stale);
    this.#state = state;
    this.#plane = this.#offered.planeFor(welcome.memory, (chunks) =>
      connection.send({ type: 'took', ...this.#envelope(), chunks }),
    );
    if (plugins !== null) expectPlugins(welcome.plugins ?? [], plugins);
    control.isTraced = welcome.traced === true;
    if (control.isTraced) this.#spans = new SpanSender(connection, () => this.#envelope());
    this.#heartbeat.start(welcome.heartbeatMs);
    connection.pause();
    // The connection may close meanwhile, and another may be preparing the run already.
    fetchMissing(welcome, run?.recipeDigest ?? null, cache).then(
      (fetched) => {
        if (this.#state === state) this.#onFetched(state, fetched);
      },
      (error: unknown) => {
        if (this.#state === state) this.#fail(error);
      },
    );
  }

  #onFetched(state: Preparing, fetched: Fetched): void {
    try {
      this.#join(state, fetched);
    } catch (error) {
      return this.#fail(error);
    }
    this.#heartbeat.heard();
    this.#options.connection.resume();
    this.announceReady();
    this.#handleFrames();
  }

  #join(state: Preparing, { files, state: replicaState }: Fetched): void {
    const { welcome } = state;
    const run =
      files === null
        ? this.#options.run
        : new JoinedRun(welcome, files, { ...this.#options, runNumber: this.#options.nextRunNumber() });
    if (run === null) throw new Error('a run without files');
    run.startFrom(welcome, replicaState);
    run.usePlane(this.#plane);
    if (files !== null) this.#tell(run.begin);
    this.#state = joined(state, run);
    this.#options.onRun(run);
    this.#options.observer?.onJoined(welcome, run, this.#options.cache);
    this.#tell({ type: 'weights', runNumber: run.runNumber, step: run.fold.step });
  }

  #onRelease(run: JoinedRun, message: Down<'release'>): void {
    faultPoint('partial-release');
    const startMs = processMs();
    const outcome = run.fold.release(message);
    if (outcome === 'repeated') return;
    this.#spans?.add('apply', startMs, { step: message.step });
    faultPoint('before-acknowledgement');
    if (outcome === 'differs') return this.#dispute(run);
    this.#options.observer?.onReleased(message);
    run.uploads.dropThrough(message.step);
    this.#tell({ type: 'weights', runNumber: run.runNumber, step: run.fold.step });
    this.announceReady();
  }

  /** Whether it starts again from a snapshot, or has done so too often, is for the coordinator to say. */
  #dispute(run: JoinedRun): void {
    this.#state = disputed(this.#state);
    this.#leases.cancelAll();
    this.#options.connection.send({ type: 'differs', ...this.#envelope(), stateHash: run.fold.stateHash });
  }

  #onResync({ reason }: Down<'resync'>): void {
    const place = placeOf(this.#options.worker, runOf(this.#state) ?? this.#options.run);
    this.#tell({ type: 'log', text: `replica dropped: ${reason}`, place });
    this.#close(closeCodes.done, 'resync', { type: 'resync' });
  }

  /** A broken rule closes this connection; an error of the user's ends the worker; anything else is a bug. */
  #fail(thrown: unknown): void {
    const error = thrown instanceof Error ? thrown : new Error('internal error', { cause: thrown });
    const reason = error.message;
    if (error instanceof ProtocolError) return this.#close(error.closeCode, reason, { type: 'fault', reason });
    // What cannot be had now may be had later: the coordinator may just have gone.
    if (error instanceof UserError && error.exitCode === exitCodes.unavailable)
      return this.#close(closeCodes.done, reason, { type: 'fault', reason });
    const code = error instanceof UserError ? error.exitCode : exitCodes.bug;
    this.#leave({ reason, failure: { code, lines: [...this.#options.lastLines()] } }, { type: 'failure', error });
  }

  /** Says `leave` where the coordinator knows this worker, and closes the connection after it. */
  #leave({ reason, failure }: Leaving, cause: Cause): void {
    const { connection } = this.#options;
    const isKnown = welcomeOf(this.#state) !== null;
    if (isKnown) this.#spans?.flush();
    this.#state = closing(this.#state, cause);
    const close = (): void => connection.close(closeCodes.done, reason);
    if (!isKnown) return close();
    const told = { reason: fitToSay(reason), ...(failure === undefined ? {} : { failure: fitFailure(failure) }) };
    connection.send({ type: 'leave', ...this.#envelope(), ...told }, undefined, close);
  }

  #close(code: number, reason: string, cause: Cause): void {
    this.#state = closing(this.#state, cause);
    this.#options.connection.close(code, reason);
  }

  /** What every frame says. Before the welcome it names no run; a worker that holds nothing is at step 0. */
  #envelope(): Envelope {
    const welcome = welcomeOf(this.#state);
    const step = (runOf(this.#state) ?? this.#options.run)?.fold.step ?? 0;
    return welcome === null
      ? { run: '', generation: 0, step }
      : { run: welcome.run, generation: welcome.generation, step };
  }

  #tell(message: ToTrainer): void {
    this.#options.toTrainer(message);
  }
}

function fitFailure({ code, lines }: LastWords): LastWords {
  return { code, lines: lines.slice(-limits.lastLines).map(fitToSay) };
}

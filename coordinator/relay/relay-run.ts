/**
 * A run as a relay serves it to the workers below: their messages and what comes from above become events of the pure
 * core, whose commands are carried out here. It lasts as long as the generation above, and as long as the relay's replica
 * follows it without a gap.
 */
import { SumRules } from '../../shared/figures/sum-rules.js';
import { closeCodes, type Down, type Lease, type Up } from '../../shared/protocol/messages.js';
import { termNames } from '../../shared/recipe/terms.js';
import { contributionBytes } from '../../shared/replica/reduction/contribution.js';
import { relaySlots } from '../../shared/replica/slot-counts.js';
import { taskOf } from '../../shared/task.js';
import type { Timers } from '../../shared/timers.js';
import { RelayCore } from '../decide/relay-core.js';
import type { RelayCommand, UntimedRelayEvent } from '../decide/relay-types.js';
import { costClassOf } from '../decide/state.js';
import type { WorkerId } from '../decide/types.js';
import { Broadcast, type CommitHead, type RunEnvelope } from '../exchange/broadcast.js';
import { BufferPool } from '../exchange/buffers.js';
import type { Channel } from '../exchange/channel.js';
import { Contributions } from '../exchange/contributions.js';
import { IncomingContributions } from '../exchange/incoming.js';
import type { ReportOutput } from '../reports/outputs/output.js';
import { ConnectedWorkers } from '../workers/connected-workers.js';
import { EndOfRun } from '../workers/end-of-run.js';
import {
  WorkerConnection,
  type AdmittedMessage,
  type AdmittedWorker,
  type ConnectionHost,
} from '../workers/worker-connection.js';
import { WorkerFailures } from '../workers/worker-failures.js';
import { WorkerMessages } from '../workers/worker-messages.js';
import { CommitWindow } from './commit-window.js';
import { LeasesAbove } from './leases-above.js';
import { RelayJoining } from './relay-joining.js';
import { RelaySnapshots } from './relay-snapshots.js';
import { RelayNumerics } from './relay-numerics.js';
import type { RelayedRun, Upstream } from './upstream.js';

export interface RelayRunOptions {
  readonly run: RelayedRun;
  readonly upstream: Upstream;
  /** Scratch space of this run alone. */
  readonly folder: string;
  readonly timers: Timers;
  /** Where files lie that are shared with workers of this host; null: none are. */
  readonly memoryFolder: string | null;
  readonly say: (level: 'info' | 'warn', text: string) => void;
  /** An error that ends the relay. */
  readonly fail: (error: unknown) => void;
}

/** Close code for a worker that has to come again since the relay itself has begun anew. */
const beginAgain = closeCodes.done;
const times = { silenceMs: 1500, firstLeaseMs: 180_000, tickMs: 200, graceMs: 1000 };
/** Bytes of commits that are kept: so many times the state's, and never fewer. */
const kept = { states: 4, leastBytes: 64 * 2 ** 20 };

export class RelayRun implements ConnectionHost {
  readonly envelope: RunEnvelope;
  readonly recipeDigest: string;
  readonly #options: RelayRunOptions;
  readonly #core: RelayCore;
  readonly #pool: BufferPool;
  readonly #contributions: Contributions;
  readonly #window: CommitWindow;
  readonly #snapshots: RelaySnapshots;
  readonly #broadcast: Broadcast;
  readonly #connected: ConnectedWorkers;
  readonly #ending: EndOfRun;
  readonly #joining: RelayJoining;
  readonly #messages: WorkerMessages;
  readonly #rules: SumRules;
  readonly #above = new LeasesAbove();
  readonly #numerics: RelayNumerics;
  readonly #failures: WorkerFailures;
  readonly #queue: UntimedRelayEvent[] = [];
  readonly #stopTicking: () => void;
  #isHandling = false;
  /** Another run, or none, is served by now: nothing of this one goes up any more. */
  #isClosed = false;

  constructor(options: RelayRunOptions) {
    const { run, timers, folder, upstream } = options;
    const { welcome, replica, recipe } = run;
    const { run: id, generation } = welcome;
    this.#options = options;
    this.envelope = { run: id, generation };
    this.recipeDigest = welcome.recipeDigest;
    const { contributions: slots } = relaySlots(replica.plan, recipe.batch);
    this.#core = new RelayCore({ ...times, slots, contributionBytes: contributionBytes(replica.plan) });
    this.#pool = new BufferPool(replica.slots - 1);
    this.#contributions = new Contributions(replica, this.#pool);
    const limitBytes = Math.max(kept.leastBytes, kept.states * replica.plan.stateBytes);
    this.#window = new CommitWindow(`${folder}-commits`, limitBytes, options.fail);
    this.#snapshots = new RelaySnapshots({ run, window: this.#window, folder: `${folder}-snapshots` });
    const { step: released, stateHash } = run.position();
    const receipts = { of: ({ step }: { step: number }): string => this.#window.receiptAfter(step - 1) };
    this.#broadcast = new Broadcast({ log: this.#window, envelope: this.envelope, released, stateHash, receipts });
    this.#connected = new ConnectedWorkers(timers);
    this.#ending = new EndOfRun(this.envelope, this.#broadcast);
    this.#numerics = new RelayNumerics({ ...options, upstream, graceMs: times.graceMs });
    this.#rules = new SumRules({
      task: taskOf(recipe),
      terms: termNames(recipe.losses),
      teachers: welcome.teachers,
      exits: run.spec.exits ?? [],
      width: run.spec.classes,
      positions: run.spec.positions ?? 1,
    });
    const { say } = options;
    const reporter = { say: (level: string, text: string) => say(level === 'info' ? 'info' : 'warn', text) };
    // What is said of workers below is said here alone.
    this.#failures = new WorkerFailures({ reporter, isOpen: true, journal: () => undefined });
    this.#joining = this.#openJoining(reporter);
    this.#messages = this.#openMessages();
    this.#stopTicking = timers.every(times.tickMs, () => this.#tick());
    this.weights();
  }

  // From above

  /** A lease has come. */
  leased(lease: Lease): void {
    this.#above.open(lease);
    const { id, kind, subject, step, epoch, from, to, microBatches, block } = lease;
    const unit = { kind, ...(subject === undefined ? {} : { subject }), step, epoch, from, to, microBatches };
    this.#post({ type: 'leased', lease: id, unit, block });
  }

  /** A lease was taken back. */
  cancelled(lease: number): void {
    this.#post({ type: 'cancelled', lease });
    this.#above.close(lease);
  }

  /** The connection upwards is gone, and with it every lease; workers stay. */
  disconnected(): void {
    this.#post({ type: 'disconnected' });
    this.#above.closeAll();
  }

  /** The replica may have moved. */
  weights(): void {
    const { step, stateHash } = this.#options.run.position();
    this.#post({ type: 'weights', step, stateHash });
  }

  /** A commit has come whole, and lies in the replica's last slot. */
  hold(commit: Down<'commit'>): void {
    const { replica } = this.#options.run;
    const { step, scalars, compression, bytes: length, digest, momentCounts } = commit;
    const head: CommitHead = { step, unit: step, scalars, compression, bytes: length, digest, momentCounts };
    const last = replica.slots - 1;
    // The slot is the next commit's before the slowest worker has read this one.
    const bytes = length === 0 ? new Uint8Array(0) : replica.slotBytes(last, compression).slice();
    const hashes = length === 0 ? [] : replica.hashPieces(last, compression);
    this.#window.add({ head, bytes });
    this.#broadcast.hold({ head, bytes, hashes, retired: null });
  }

  /** The commit was released, and the replica has applied it. */
  release({ step, stateHash, receipt }: Down<'release'>): void {
    this.#window.release(step, stateHash, receipt);
    this.#broadcast.release(step, stateHash);
  }

  /** A slot that went up is free again. */
  giveSlot(slot: number): void {
    this.#pool.give(slot);
  }

  /** The run is over: every worker is told what the relay was told. Resolves once they have closed, or in 2 s. */
  async tellEnd({ reason, text }: Down<'end'>): Promise<void> {
    await this.#ending.tellAll(this.#connected, { reason, text });
  }

  // From below

  connect(channel: Channel): void {
    this.#connected.add(new WorkerConnection(channel, this, this.#options.timers));
  }

  /** Where a snapshot of this run lies that was made here. */
  pathOf(sha256: string): string | undefined {
    return this.#snapshots.pathOf(sha256);
  }

  /** An artifact of the run cannot be had any more. */
  lacks(sha256: string): void {
    this.#snapshots.forget(sha256);
  }

  onHello(connection: WorkerConnection, hello: Up<'hello'>): void {
    if (this.#ending.isOver) return this.#ending.tell(connection);
    this.#joining.hello(connection, hello);
  }

  onMessage(worker: AdmittedWorker, message: AdmittedMessage, payload: Uint8Array): void {
    if (!this.#ending.isOver) this.#messages.handle(worker, message, payload);
  }

  onBrokenRule(connection: WorkerConnection, reason: string): void {
    if (connection.admitted === null) this.#options.say('warn', `${connection.name} refused: ${reason}`);
  }

  onClosed(connection: WorkerConnection, reason: string): void {
    const { admitted } = connection;
    this.#connected.remove(connection, false);
    this.#broadcast.wake();
    if (admitted === null || this.#isClosed) return;
    this.#post({ type: 'leave', worker: admitted.id, reason });
    admitted.incoming.cancelAll();
    this.#numerics.left(admitted, this.#connected.readyCount);
  }

  onBug(error: unknown): void {
    this.#options.fail(error);
  }

  /** Lets every worker go, for this reason; `again`: it is to come back here. */
  async close(why: 'again' | 'elsewhere', reason: string): Promise<void> {
    this.#ending.begin();
    this.#isClosed = true;
    this.#stopTicking();
    this.#numerics.close();
    const code = why === 'again' ? beginAgain : closeCodes.shutdown;
    for (const connection of this.#connected.connections) connection.dismiss(code, reason);
    this.#broadcast.wake();
    await this.#window.close();
    await this.#snapshots.close();
  }

  // Events and commands

  #tick(): void {
    for (const { id, connection, progress } of this.#connected.admitted)
      if (connection.hasNewBytes()) this.#post({ type: 'heard', worker: id, progress });
    this.#post({ type: 'tick' });
  }

  #post(event: UntimedRelayEvent): void {
    this.#queue.push(event);
    if (this.#isHandling || this.#isClosed) return;
    const { timers, fail, upstream } = this.#options;
    this.#isHandling = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift())
        for (const command of this.#core.handle({ ...next, nowMs: timers.nowMs() })) this.#carryOut(command);
    } catch (error) {
      fail(error);
    } finally {
      this.#isHandling = false;
    }
    if (this.#pool.isShort) upstream.needSlots();
  }

  #carryOut(command: RelayCommand): void {
    switch (command.type) {
      case 'lease':
        return this.#lease(command);
      case 'cancel': {
        const { incoming, connection } = this.#connected.get(command.worker);
        incoming.cancel(command.id);
        const { id: lease, step } = command;
        return connection.queue.send({ type: 'cancel', ...this.envelope, step, lease });
      }
      case 'pull':
        return this.#connected.get(command.worker).incoming.pull(command.id, command.slot);
      case 'accept': {
        const { incoming } = this.#connected.get(command.worker);
        incoming.accept(command.id, command.slot);
        return void incoming.settle(command.id);
      }
      case 'merge':
        return this.#contributions.merge(command.into, command.from);
      case 'free':
        return this.#contributions.free(command.slot);
      case 'report':
        return this.#report(command);
      case 'fail':
        return this.#fail(command);
      case 'resync':
        return this.#resync(command);
      case 'dismiss':
        return this.#connected.get(command.worker).connection.dismiss(command.code, command.reason);
      case 'say':
        return this.#options.say(command.level, command.text);
      default: {
        const unknown: never = command;
        throw new Error(`command ${JSON.stringify(unknown)}`);
      }
    }
  }

  #lease({ worker, id, of, unit, block }: Extract<RelayCommand, { type: 'lease' }>): void {
    const { incoming, connection } = this.#connected.get(worker);
    incoming.open(id, unit, block);
    const lease = this.#above.part(of, id, block);
    connection.queue.send({ type: 'lease', ...this.envelope, step: unit.step, lease });
  }

  #report({ lease, slot, wallMs }: Extract<RelayCommand, { type: 'report' }>): void {
    const { replica } = this.#options.run;
    const { buffer, sums, moments } = this.#contributions.take(slot);
    if (buffer !== null) replica.writeMoments(buffer, moments);
    const { step, stateHash } = this.#options.run.position();
    this.#options.upstream.contribute({
      ...{ lease, step, stateHash, slot: buffer, sums },
      momentCounts: moments?.counts ?? [],
      seconds: this.#above.secondsOf(lease, wallMs / 1000),
    });
    this.#above.close(lease);
  }

  #fail({ lease, microBatch, reason, teacher }: Extract<RelayCommand, { type: 'fail' }>): void {
    this.#above.close(lease);
    this.#options.upstream.fail({ lease, microBatch, reason, teacher });
  }

  #resync({ worker, reason }: Extract<RelayCommand, { type: 'resync' }>): void {
    const { connection } = this.#connected.get(worker);
    this.#options.say('warn', `${connection.name} starts again from a snapshot: ${reason}`);
    connection.queue.send({ type: 'resync', ...this.envelope, step: this.#broadcast.released, reason });
    connection.dismiss(closeCodes.stale, reason);
  }

  // Parts

  #openJoining(reporter: Pick<ReportOutput, 'say'>): RelayJoining {
    const { run, memoryFolder, fail } = this.#options;
    return new RelayJoining({
      ...{ run, memoryFolder, envelope: this.envelope },
      broadcast: this.#broadcast,
      window: this.#window,
      snapshots: this.#snapshots,
      connected: this.#connected,
      reporter,
      failures: this.#failures,
      incomingOf: (id, connection) => this.#incomingOf(id, connection),
      post: (event) => this.#post(event),
      onError: fail,
    });
  }

  #openMessages(): WorkerMessages {
    const { run, upstream } = this.#options;
    return new WorkerMessages({
      envelope: this.envelope,
      broadcast: this.#broadcast,
      stateHashBefore: (step) =>
        step === this.#broadcast.released ? this.#broadcast.stateHash : this.#window.stateHashAfter(step - 1),
      teachers: new Set(run.welcome.teachers.map(({ name }) => name)),
      post: (event) => this.#post(event),
      onReady: (worker, { probe }) => {
        if (worker.isReady) return worker.connection.countIdle();
        if (this.#numerics.ready(worker, probe)) this.#post({ type: 'ready', worker: worker.id });
      },
      onProgress: (worker, progress) => {
        if (progress !== worker.progress) upstream.tick();
      },
      onOffer: (_worker, { lease, seconds }) => this.#above.addSeconds(lease, seconds),
      onLeave: (worker, message) => this.#failures.note(worker, message),
    });
  }

  #incomingOf(id: WorkerId, { queue, plane }: WorkerConnection): IncomingContributions {
    const incoming: IncomingContributions = new IncomingContributions({
      replica: this.#options.run.replica,
      contributions: this.#contributions,
      plane,
      faultIn: (sums, unit, samples) => this.#rules.faultIn(sums, costClassOf(unit), samples),
      sendPull: (lease, unit) => queue.send({ type: 'pull', ...this.envelope, step: unit.step, lease }),
      onEvent: (event) => {
        if (event.type === 'received') {
          incoming.settle(event.lease);
          this.#post({ type: 'received', worker: id, lease: event.lease });
        } else this.#post({ ...event, worker: id });
      },
    });
    return incoming;
  }
}

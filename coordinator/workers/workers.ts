/**
 * The workers of a run, all together: they are connected here, and told of the end. What happens on a connection goes to
 * whoever is responsible for it, and so do the core's commands:
 *
 *   hello          joining.ts            from here on the worker is fed commits
 *   ready          readiness.ts          from here on it is leased to
 *   other frames   worker-messages.ts    events for the core, bytes for contributions
 *   too slow       slow-workers.ts       counted, and refused in the end
 *   commands       worker-commands.ts    leases, cancels, pulls, resyncs
 */
import { faultPoint } from '../../shared/fault-points.js';
import { closeCodes, type Up } from '../../shared/protocol/messages.js';
import { SumRules } from '../../shared/figures/sum-rules.js';
import type { Replica } from '../../shared/replica/replica.js';
import type { Timers } from '../../shared/timers.js';
import { costClassOf } from '../decide/state.js';
import type { UntimedEvent, WorkerId } from '../decide/types.js';
import type { Broadcast, RunEnvelope } from '../exchange/broadcast.js';
import type { Channel } from '../exchange/channel.js';
import type { Contributions } from '../exchange/contributions.js';
import { IncomingContributions } from '../exchange/incoming.js';
import type { PreparedRun } from '../plan/prepared-run.js';
import { summedRunOf } from '../plan/summed-run.js';
import type { ReportOutput } from '../reports/outputs/output.js';
import type { Summary } from '../reports/summary.js';
import type { KeptCommits } from '../store/kept-commits.js';
import type { Snapshots } from '../store/snapshots.js';
import type { RunTrace } from '../trace/run-trace.js';
import { ConnectedWorkers } from './connected-workers.js';
import { EndOfRun, type RunEnd } from './end-of-run.js';
import { Joining } from './joining.js';
import type { Probes } from './numerics.js';
import { addSeconds, Participants } from './participants.js';
import { Readiness } from './readiness.js';
import { SlowWorkers } from './slow-workers.js';
import { hereOf, type WorkerHere } from './worker-here.js';
import { stateHashBefore, type KnownStates, type Lineage } from './start-point.js';
import {
  WorkerConnection,
  type AdmittedMessage,
  type AdmittedWorker,
  type ConnectionHost,
  type PlaneTraffic,
} from './worker-connection.js';
import { WorkerCommands } from './worker-commands.js';
import { WorkerFailures, type ToldFailure } from './worker-failures.js';
import { WorkerMessages, type RefusalReason } from './worker-messages.js';

export interface WorkersOptions {
  readonly run: PreparedRun;
  readonly envelope: RunEnvelope;
  /** This coordinator's own nonce. */
  readonly nonce: string;
  readonly lineage: Lineage;
  /** The run folder, for messages. */
  readonly folderPath: string;
  readonly replica: Replica;
  readonly contributions: Contributions;
  readonly broadcast: Broadcast;
  readonly log: Pick<KeptCommits, 'has' | 'stateHashAfter' | 'isDurable'>;
  readonly snapshots: Pick<Snapshots, 'all' | 'newest' | 'initial'>;
  readonly probes: Probes;
  readonly reporter: Pick<ReportOutput, 'say'>;
  readonly timers: Timers;
  readonly heartbeatMs: number;
  /** Where files lie that are shared with workers of this host; null: none are. */
  readonly memoryFolder: string | null;
  /** The first lease waits for so many workers. */
  readonly expected: number;
  readonly trace?: RunTrace | undefined;
  /** Whether workers join from elsewhere, whose lines nobody here has seen. */
  readonly isOpen: boolean;
  /** Called for workers that have failed and said why. */
  readonly onFailure: (failure: ToldFailure) => void;
  /** Called for each frame of another run, generation, step or lease, which is dropped. */
  readonly onRefused: (reason: RefusalReason) => void;
  /** Resolves with the step of a snapshot, of the state as it is now or later, once it is on the disk. */
  readonly newSnapshot: () => Promise<number>;
  readonly post: (event: UntimedEvent) => void;
  /** Called with an error that ends the run. */
  readonly fail: (error: unknown) => void;
}

/** How long a worker may take to close its connection once it was told to leave. */
const drainMs = 10_000;

export class Workers implements ConnectionHost {
  readonly envelope: RunEnvelope;
  readonly recipeDigest: string;
  /** Carries out the core's commands that concern one worker. */
  readonly commands: WorkerCommands;
  readonly #options: WorkersOptions;
  readonly #connected: ConnectedWorkers;
  readonly #participants = new Participants();
  readonly #ending: EndOfRun;
  readonly #slow: SlowWorkers;
  readonly #joining: Joining;
  readonly #readiness: Readiness;
  readonly #messages: WorkerMessages;
  readonly #rules: SumRules;
  readonly #failures: WorkerFailures;

  constructor(options: WorkersOptions) {
    const { run, envelope, broadcast, log, snapshots, reporter, post, fail } = options;
    this.#options = options;
    this.envelope = envelope;
    this.recipeDigest = run.recipeDigest;
    this.#connected = new ConnectedWorkers(options.timers);
    this.#ending = new EndOfRun(envelope, broadcast);
    this.#slow = new SlowWorkers(this.#participants, reporter);
    this.#failures = new WorkerFailures({ reporter, journal: options.onFailure, isOpen: options.isOpen });
    this.#readiness = new Readiness({
      probes: options.probes,
      isExactWanted: run.recipe.numerics.exact,
      expected: options.expected,
      participants: this.#participants,
      reporter,
      post,
      fail,
    });
    this.#rules = new SumRules(summedRunOf(run));
    const known = { log, snapshots, broadcast };
    this.#joining = this.#openJoining(known);
    this.#messages = this.#openMessages(known);
    const [connected, participants] = [this.#connected, this.#participants];
    this.commands = new WorkerCommands({ envelope, broadcast, connected, participants, reporter });
  }

  connect(channel: Channel): void {
    this.#connected.add(new WorkerConnection(channel, this, this.#options.timers));
  }

  get readyCount(): number {
    return this.#connected.readyCount;
  }

  /** Everyone who took part so far. */
  summaries(): Summary['workers'] {
    return this.#participants.list();
  }

  /** Says of every worker from which bytes have come that it is heard: it is not silent while a frame comes in. */
  noticeBytes(): void {
    for (const { id, connection, progress } of this.#connected.admitted)
      if (connection.hasNewBytes()) this.#options.post({ type: 'heard', worker: id, progress });
  }

  /** A step waits for a buffer: connections that took nothing for `patienceMs` milliseconds are cut off. */
  cutOffSlow(patienceMs: number): void {
    this.#slow.cutOff(this.#connected, patienceMs);
  }

  /** Keeps a process out from now on whose contribution had other bits than those of two others. */
  bar(process: string): void {
    this.#participants.bar(process);
  }

  /** Those who are here, as they are shown to people. */
  here(): WorkerHere[] {
    const { engine } = this.#options.run.student;
    return [...this.#connected.admitted].map((worker) => hereOf(worker, this.#participants.of(worker), engine));
  }

  /** The first worker that failed and said why, since this coordinator started; null for none. */
  get firstFailure(): ToldFailure | null {
    return this.#failures.first;
  }

  /** What came and went on the workers' connections so far, and what they spent their time on. */
  get counts(): {
    readonly bytes: PlaneTraffic;
    readonly reconnects: number;
    readonly phaseSeconds: Readonly<Record<string, number>>;
  } {
    const { traffic, reconnects } = this.#connected;
    return { bytes: traffic, reconnects, phaseSeconds: this.#participants.secondsByPhase() };
  }

  /**
   * Has a worker leave in good order: what it holds is open again, and it gets nothing more.
   * @returns false where there is no such worker
   */
  drain(id: WorkerId): boolean {
    const worker = [...this.#connected.admitted].find((candidate) => candidate.id === id);
    if (worker === undefined) return false;
    if (worker.isDrained) return true;
    worker.isDrained = true;
    this.#participants.drain(worker.process);
    worker.connection.explain('drained by an admin');
    this.#readiness.forget(id);
    this.#options.post({ type: 'leave', worker: id, reason: 'drained by an admin' });
    worker.incoming.cancelAll();
    this.#ending.tellDrained(worker.connection);
    // One that reads no more, or is still fetching what it will not need, is told so again should it come back.
    this.#options.timers.after(drainMs, () => worker.connection.terminate('drained by an admin'));
    return true;
  }

  /** Nothing that workers say counts any more. */
  endHearing(): void {
    this.#ending.begin();
  }

  /** Tells every worker of the end, and waits a moment for them to close. */
  async tellEnd(end: RunEnd): Promise<void> {
    await this.#ending.tellAll(this.#connected, end);
  }

  close(): void {
    this.endHearing();
    for (const connection of this.#connected.connections)
      connection.dismiss(closeCodes.shutdown, 'the coordinator ends');
    this.#options.broadcast.wake();
  }

  // What happens on the connections

  onHello(connection: WorkerConnection, hello: Up<'hello'>): void {
    this.#joining.hello(connection, hello);
  }

  onMessage(worker: AdmittedWorker, message: AdmittedMessage, payload: Uint8Array): void {
    // What a worker did until the end is told after it.
    const isHeard = message.type === 'spans' || (!this.#ending.isOver && !worker.isDrained);
    if (isHeard) this.#messages.handle(worker, message, payload);
  }

  onBrokenRule(connection: WorkerConnection, reason: string): void {
    this.#options.onRefused('brokenRule');
    if (connection.admitted === null) this.#options.reporter.say('warn', `${connection.name} refused: ${reason}`);
  }

  onClosed(connection: WorkerConnection, reason: string): void {
    const { admitted } = connection;
    const isMissed = admitted?.isReady === true && connection.mayReturn && !this.#ending.isTold;
    this.#connected.remove(connection, isMissed);
    this.#options.broadcast.wake();
    if (admitted === null) return;
    this.#readiness.forget(admitted.id);
    this.#options.post({ type: 'leave', worker: admitted.id, reason, isFault: connection.hasBrokenRule });
    admitted.incoming.cancelAll();
    this.#participants.forgetIdle(admitted.process);
  }

  onBug(error: unknown): void {
    this.#options.fail(error);
  }

  // Parts

  #openJoining(known: KnownStates): Joining {
    const { run, envelope, nonce, lineage, folderPath, snapshots, broadcast, heartbeatMs, post, fail } = this.#options;
    const { memoryFolder, reporter, trace, newSnapshot } = this.#options;
    return new Joining({
      newSnapshot,
      run,
      envelope,
      nonce,
      lineage,
      folderPath,
      known,
      snapshots,
      broadcast,
      heartbeatMs,
      trace,
      memoryFolder,
      reporter,
      connected: this.#connected,
      participants: this.#participants,
      failures: this.#failures,
      slow: this.#slow,
      ending: this.#ending,
      incomingOf: (id, connection) => this.#incomingOf(id, connection),
      post,
      fail,
    });
  }

  #openMessages(known: KnownStates): WorkerMessages {
    const { run, envelope, broadcast, post, onRefused, trace } = this.#options;
    return new WorkerMessages({
      envelope,
      broadcast,
      stateHashBefore: (step) => stateHashBefore(step, known),
      teachers: new Set(run.teachers.map(({ name }) => name)),
      onReady: (worker, message) => this.#readiness.ready(worker, message),
      onOffer: (worker, { lease, seconds }) => {
        if (worker.incoming.unitOf(lease)?.kind === 'train') addSeconds(this.#participants.of(worker), seconds);
      },
      onBrokenOffer: (worker, error) => this.#participants.countBrokenOffer(worker, error),
      onLeave: (worker, message) => this.#failures.note(worker, message),
      post,
      onRefused,
      trace,
    });
  }

  #incomingOf(id: WorkerId, { queue, plane }: WorkerConnection): IncomingContributions {
    const { replica, contributions, post } = this.#options;
    return new IncomingContributions({
      replica,
      contributions,
      plane,
      faultIn: (sums, unit, samples) => this.#rules.faultIn(sums, costClassOf(unit), samples),
      sendPull: (lease, unit) => queue.send({ type: 'pull', ...this.envelope, step: unit.step, lease }),
      onEvent: (event) => {
        faultPoint('all-chunks');
        if (event.type === 'received') this.commands.settle(id, event.lease);
        post({ ...event, worker: id });
      },
    });
  }
}

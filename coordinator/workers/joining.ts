/**
 * How a worker joins: its hello is answered with a welcome, which names the state to start from, and from then on it is
 * fed every commit after that state. Training does not wait for it.
 */
import { counted } from '../../shared/counted.js';
import { exitCodes, UserError } from '../../shared/errors.js';
import { closeCodes, type Down, type Up } from '../../shared/protocol/messages.js';
import type { UntimedEvent, WorkerId } from '../decide/types.js';
import type { Broadcast } from '../exchange/broadcast.js';
import { feed } from '../exchange/commit-feed.js';
import type { IncomingContributions } from '../exchange/incoming.js';
import type { PreparedRun } from '../plan/prepared-run.js';
import type { Snapshot, Snapshots } from '../store/snapshots.js';
import type { RunTrace } from '../trace/run-trace.js';
import type { ConnectedWorkers } from './connected-workers.js';
import type { EndOfRun } from './end-of-run.js';
import type { Participants } from './participants.js';
import type { SlowWorkers } from './slow-workers.js';
import { planeOf, type ChosenPlane, type PlaneOptions } from './plane-of.js';
import { startPointOf, type KnownStates, type Lineage } from './start-point.js';
import type { AdmittedWorker, WorkerConnection } from './worker-connection.js';
import type { WorkerFailures } from './worker-failures.js';

export interface JoiningOptions extends PlaneOptions {
  readonly run: PreparedRun;
  /** This coordinator's own nonce. */
  readonly nonce: string;
  readonly lineage: Lineage;
  /** The run folder, for messages. */
  readonly folderPath: string;
  readonly known: KnownStates;
  readonly snapshots: Pick<Snapshots, 'initial'>;
  readonly broadcast: Broadcast;
  readonly heartbeatMs: number;
  readonly trace?: RunTrace | undefined;
  readonly connected: ConnectedWorkers;
  readonly participants: Participants;
  readonly failures: WorkerFailures;
  readonly slow: SlowWorkers;
  readonly ending: EndOfRun;
  /** Resolves with the step of a snapshot, of the state as it is now or later, once it is on the disk. */
  readonly newSnapshot: () => Promise<number>;
  /** What takes in the contributions of a worker with this id. */
  readonly incomingOf: (id: WorkerId, connection: WorkerConnection) => IncomingContributions;
  readonly post: (event: UntimedEvent) => void;
  /** Called with an error that ends the run. */
  readonly fail: (error: unknown) => void;
}

export class Joining {
  readonly #options: JoiningOptions;
  /** The recipe as it is sent to every worker. */
  readonly #recipe: unknown;
  #admissions = 0;

  constructor(options: JoiningOptions) {
    this.#options = options;
    this.#recipe = plain(options.run.recipe);
  }

  hello(connection: WorkerConnection, hello: Up<'hello'>): void {
    const { connected, participants, ending, known, lineage, folderPath } = this.#options;
    connected.isBack(hello.worker);
    const barredText = participants.barredText(hello.worker);
    if (barredText !== null) return connection.dismiss(closeCodes.refused, barredText);
    if (ending.isOver) return ending.tell(connection);
    // Its connection broke before it had read that it is to leave.
    if (participants.isDrained(hello.worker)) return ending.tellDrained(connection);
    const start = startPointOf(hello, known, lineage);
    if (start.type === 'ahead')
      return this.#options.fail(staleFolder(folderPath, known.broadcast.released, start.step));
    if (start.type === 'wait') return this.#afterSnapshot(connection, hello);
    const { worker, chosen } = this.#admit(connection, hello);
    connection.queue.send({ ...this.#welcome(worker.id, start.snapshot), ...chosen.welcome });
    this.#options.post({ type: 'join', worker: worker.id, process: worker.process, origin: worker.origin });
    this.#feed(worker, start.step);
  }

  /** Lets the worker in once there is a snapshot with every commit after it. */
  #afterSnapshot(connection: WorkerConnection, hello: Up<'hello'>): void {
    const { broadcast, newSnapshot, reporter, fail } = this.#options;
    const follower = broadcast.follow(broadcast.released);
    newSnapshot()
      .then((step) => {
        if (connection.queue.isClosed) return;
        reporter.say('info', `a snapshot at step ${step} for ${connection.name}, which joins`);
        this.hello(connection, hello);
      })
      .catch(fail)
      .finally(() => follower.end());
  }

  #admit(
    connection: WorkerConnection,
    hello: Up<'hello'>,
  ): { readonly worker: AdmittedWorker; readonly chosen: ChosenPlane } {
    const { worker: process, device } = hello;
    const id = `w${++this.#admissions}`;
    const chosen = planeOf(hello, connection, { ...this.#options, worker: `${id} (${device.host})` });
    connection.plane = chosen.plane;
    const incoming = this.#options.incomingOf(id, connection);
    const { origin } = connection;
    const worker: AdmittedWorker = {
      ...{ id, process, origin, device, connection, incoming },
      ...{ isReady: false, isDrained: false, progress: 0 },
      trace: this.#options.trace?.worker(id, device.host) ?? null,
    };
    this.#options.participants.of(worker);
    this.#options.connected.admit(worker);
    this.#options.failures.noteBefore(worker, hello);
    return { worker, chosen };
  }

  #welcome(worker: WorkerId, snapshot: Snapshot | null): Down<'welcome'> {
    const { run, envelope, nonce, snapshots, broadcast, heartbeatMs, trace } = this.#options;
    const { initial } = snapshots;
    if (initial === undefined) throw new Error('a run has an initial snapshot from its start on');
    return {
      type: 'welcome',
      ...envelope,
      step: broadcast.released,
      nonce,
      worker,
      recipe: this.#recipe,
      recipeDigest: run.recipeDigest,
      student: run.studentArtifact,
      teachers: [...run.teachers],
      ...(run.plugins.length === 0 ? {} : { plugins: [...run.plugins] }),
      manifest: run.manifestArtifact,
      initial: { sha256: initial.sha256, bytes: initial.bytes },
      snapshot: snapshot === null ? null : this.#describe(snapshot),
      heartbeatMs,
      ...(trace === undefined ? {} : { traced: true }),
    };
  }

  #describe(snapshot: Snapshot): Down<'welcome'>['snapshot'] {
    const { sha256, bytes, step } = snapshot;
    return { sha256, bytes, step, receipt: this.#options.lineage.receipts.of(snapshot) };
  }

  #feed({ connection }: AdmittedWorker, from: number): void {
    const { broadcast, slow, ending, fail } = this.#options;
    const onTooSlow = (): void => slow.fellBehind(connection);
    feed({ broadcast, queue: connection.queue, plane: connection.plane, from, onTooSlow }).catch((error: unknown) => {
      if (!ending.isOver) fail(error);
    });
  }
}

/** The value without keys whose value is undefined, which have no place on the wire. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

function staleFolder(path: string, released: number, held: number): UserError {
  return new UserError(
    `${path}: a worker has applied ${counted(held, 'step')} of this run and the folder knows ${released}; it is an old copy, use the newest one`,
    exitCodes.data,
  );
}

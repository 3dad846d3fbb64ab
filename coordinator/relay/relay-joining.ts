/** How a worker joins below a relay: the welcome that the relay was given, with what the worker is to start from here. */
import type { Down, Up } from '../../shared/protocol/messages.js';
import type { UntimedRelayEvent } from '../decide/relay-types.js';
import type { WorkerId } from '../decide/types.js';
import type { Broadcast } from '../exchange/broadcast.js';
import { feed } from '../exchange/commit-feed.js';
import type { IncomingContributions } from '../exchange/incoming.js';
import type { ConnectedWorkers } from '../workers/connected-workers.js';
import { planeOf, type PlaneOptions } from '../workers/plane-of.js';
import type { AdmittedWorker, WorkerConnection } from '../workers/worker-connection.js';
import { closeCodes } from '../../shared/protocol/messages.js';
import type { WorkerFailures } from '../workers/worker-failures.js';
import type { CommitWindow } from './commit-window.js';
import type { NamedSnapshot, RelaySnapshots } from './relay-snapshots.js';
import type { RelayedRun } from './upstream.js';

export interface RelayJoiningOptions extends PlaneOptions {
  readonly run: RelayedRun;
  readonly broadcast: Broadcast;
  readonly window: CommitWindow;
  readonly snapshots: RelaySnapshots;
  readonly connected: ConnectedWorkers;
  readonly failures: WorkerFailures;
  /** What takes in the contributions of a worker with this id. */
  readonly incomingOf: (id: WorkerId, connection: WorkerConnection) => IncomingContributions;
  readonly post: (event: UntimedRelayEvent) => void;
  readonly onError: (error: unknown) => void;
}

export class RelayJoining {
  readonly #options: RelayJoiningOptions;
  #admissions = 0;

  constructor(options: RelayJoiningOptions) {
    this.#options = options;
  }

  /** Answers a hello; where a snapshot has to be made first, once it is. */
  hello(connection: WorkerConnection, hello: Up<'hello'>): void {
    if (this.#holdsOurs(hello)) return this.#begin(connection, hello, null);
    this.#options.snapshots.give().then(
      (snapshot) => {
        if (!connection.queue.isClosed) this.#begin(connection, hello, snapshot);
      },
      (error: unknown) => {
        connection.dismiss(closeCodes.shutdown, 'no snapshot can be made here');
        this.#options.onError(error);
      },
    );
  }

  /** Whether what the worker holds is a state of this run, and every commit after it is here. */
  #holdsOurs({ held }: Up<'hello'>): boolean {
    const { window, broadcast } = this.#options;
    if (held === null) return false;
    if (held.step === broadcast.released) return held.stateHash === broadcast.stateHash;
    return window.has(held.step) && window.stateHashAfter(held.step - 1) === held.stateHash;
  }

  #begin(connection: WorkerConnection, hello: Up<'hello'>, snapshot: NamedSnapshot | null): void {
    const { run, post, broadcast, connected } = this.#options;
    const { worker: process, device } = hello;
    const id = `${run.welcome.worker}.${++this.#admissions}`;
    const chosen = planeOf(hello, connection, { ...this.#options, worker: `${id} (${device.host})` });
    connection.plane = chosen.plane;
    const { origin } = connection;
    const incoming = this.#options.incomingOf(id, connection);
    const worker: AdmittedWorker = {
      ...{ id, process, origin, device, connection, incoming },
      ...{ isReady: false, isDrained: false, progress: 0, trace: null },
    };
    connected.admit(worker);
    this.#options.failures.noteBefore(worker, hello);
    const { traced: _, memory: __, ...above } = run.welcome;
    const welcome: Down<'welcome'> = { ...above, step: broadcast.released, worker: id, snapshot, ...chosen.welcome };
    connection.queue.send(welcome);
    post({ type: 'join', worker: id, process });
    this.#feed(connection, snapshot?.step ?? hello.held?.step ?? 0);
  }

  #feed(connection: WorkerConnection, from: number): void {
    const { broadcast, onError } = this.#options;
    const onTooSlow = (): void => connection.dismiss(closeCodes.tooSlow, 'fell behind what the relay still holds');
    feed({ broadcast, queue: connection.queue, plane: connection.plane, from, onTooSlow }).catch((error: unknown) => {
      // A commit that was let go of while it was being read.
      if (connection.queue.isClosed) return;
      connection.dismiss(closeCodes.tooSlow, 'a commit cannot be read here any more');
      onError(error);
    });
  }
}

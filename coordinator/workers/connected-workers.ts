/**
 * Who is here: the open connections, the workers among them that were let in, and the processes that are missed because
 * their connection broke a moment ago. It sends nothing and decides nothing.
 */
import type { Traffic } from '../../shared/exchange/plane.js';
import type { PlaneName } from '../../shared/exchange/planes/list.js';
import { must } from '../../shared/must.js';
import type { Timers } from '../../shared/timers.js';
import type { WorkerId } from '../decide/types.js';
import type { AdmittedWorker, PlaneTraffic, WorkerConnection } from './worker-connection.js';

export class ConnectedWorkers {
  readonly #timers: Timers;
  readonly #connections = new Set<WorkerConnection>();
  readonly #admitted = new Map<WorkerId, AdmittedWorker>();
  /** By process: when the connection broke of one that is expected back. */
  readonly #missing = new Map<string, number>();
  /** Bytes of the connections that are closed. */
  #past: PlaneTraffic = { socket: { received: 0, sent: 0 }, memory: { received: 0, sent: 0 } };
  #reconnects = 0;
  #onLeft: () => void = () => undefined;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Every open connection, those without a hello included. */
  get connections(): ReadonlySet<WorkerConnection> {
    return this.#connections;
  }

  /** Workers that were let in and whose connection is open. */
  get admitted(): Iterable<AdmittedWorker> {
    return this.#admitted.values();
  }

  get readyCount(): number {
    let count = 0;
    for (const { isReady } of this.#admitted.values()) if (isReady) count++;
    return count;
  }

  /** How often a process came back whose connection had broken. */
  get reconnects(): number {
    return this.#reconnects;
  }

  /** Bytes of all connections so far, the closed ones included. */
  get traffic(): PlaneTraffic {
    return [...this.#connections].reduce((sum, { bytes }) => plus(sum, bytes), this.#past);
  }

  /** @throws Error for a worker that is not here: the core knows who has left before it says anything to anyone */
  get(id: WorkerId): AdmittedWorker {
    return must(this.#admitted, id, 'worker');
  }

  add(connection: WorkerConnection): void {
    this.#connections.add(connection);
  }

  admit(worker: AdmittedWorker): void {
    worker.connection.admitted = worker;
    this.#admitted.set(worker.id, worker);
  }

  /** The process has said hello again. */
  isBack(process: string): void {
    if (this.#missing.delete(process)) this.#reconnects++;
  }

  /** The connection is closed. @param isMissed whether its process is expected to connect again */
  remove(connection: WorkerConnection, isMissed: boolean): void {
    if (!this.#connections.delete(connection)) return;
    this.#past = plus(this.#past, connection.bytes);
    const { admitted } = connection;
    if (admitted !== null) {
      this.#admitted.delete(admitted.id);
      if (isMissed) this.#missing.set(admitted.process, this.#timers.nowMs());
    }
    this.#onLeft();
  }

  /** Forgets the processes whose connection broke longer than `ms` ago. */
  forgetMissing(ms: number): void {
    const nowMs = this.#timers.nowMs();
    for (const [process, sinceMs] of this.#missing) if (nowMs - sinceMs > ms) this.#missing.delete(process);
  }

  /** Resolves once no connection is open and nobody is missing, at the latest in `graceMs` milliseconds. */
  async whenEmpty(graceMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#timers.after(graceMs, resolve);
      this.#onLeft = () => {
        if (this.#connections.size + this.#missing.size > 0) return;
        cancel();
        resolve();
      };
      this.#onLeft();
    });
  }
}

function plus(one: PlaneTraffic, other: PlaneTraffic): PlaneTraffic {
  const sum = (name: PlaneName): Traffic => ({
    received: one[name].received + other[name].received,
    sent: one[name].sent + other[name].sent,
  });
  return { socket: sum('socket'), memory: sum('memory') };
}

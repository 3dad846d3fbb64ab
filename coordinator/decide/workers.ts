/**
 * The workers of the run and how fast each is. Speed is learned from what they say they spent on a contribution; a
 * worker of which nothing is known yet counts as an average one.
 */
import type { Identity } from './conduct.js';
import { HeldShards, ShardHolders } from './held-shards.js';
import type { CostClass, WorkerRecord } from './state.js';
import type { WorkerId } from './types.js';

/** Weight of the newest measurement. */
const newest = 0.3;
/** Weight of the average in what was measured of a slow worker, for each step that it has no part in. */
const doubt = 1 / 64;

/** The workers of this generation that are here, and what a micro-batch of each kind costs on average. */
export class WorkerRecords {
  /** How many of them hold each shard. */
  readonly holders = new ShardHolders();
  readonly #all = new Map<WorkerId, WorkerRecord>();
  readonly #ready = new Set<WorkerRecord>();
  readonly #speeds = new Map<CostClass, { sum: number; known: number }>();

  /** All workers that have joined and not left. */
  get all(): Iterable<WorkerRecord> {
    return this.#all.values();
  }

  /** The workers that may be leased to. */
  get ready(): ReadonlySet<WorkerRecord> {
    return this.#ready;
  }

  /** The worker with this connection; undefined when it has left. */
  get(id: WorkerId): WorkerRecord | undefined {
    return this.#all.get(id);
  }

  /**
   * Takes in a worker that has joined and of which nothing is known yet.
   *
   * @param identity its own name, the same over reconnects, and where it comes from
   */
  add(id: WorkerId, { process, origin }: Identity, nowMs: number): void {
    this.#all.set(id, {
      id,
      process,
      origin,
      numerics: '',
      isReady: false,
      heardMs: nowMs,
      roundTrip: null,
      progress: 0,
      movedMs: nowMs,
      missed: 0,
      missedSinceMs: nowMs,
      costMs: new Map(),
      overheadMs: 0,
      holds: new HeldShards(),
      current: null,
      tentative: null,
      leases: new Set(),
    });
  }

  /** Lets the worker be leased to. */
  markReady(worker: WorkerRecord): void {
    worker.isReady = true;
    this.#ready.add(worker);
  }

  /** Forgets a worker that is gone, and what its speed adds to the average. */
  remove(worker: WorkerRecord): void {
    this.#all.delete(worker.id);
    this.#ready.delete(worker);
    this.holders.forget(worker.holds);
    for (const [cost, ms] of worker.costMs) this.#count(cost, -1 / ms, -1);
  }

  /** One more measurement: a moving average of milliseconds a micro-batch, and of what came on top of a whole lease. */
  learn(worker: WorkerRecord, cost: CostClass, measured: { costMs: number; overheadMs: number }): void {
    const before = worker.costMs.get(cost);
    const ms = before === undefined ? measured.costMs : before + newest * (measured.costMs - before);
    worker.costMs.set(cost, ms);
    worker.overheadMs += newest * (measured.overheadMs - worker.overheadMs);
    this.#count(cost, 1 / ms - (before === undefined ? 0 : 1 / before), before === undefined ? 1 : 0);
  }

  /**
   * A step is over in which the worker had no part. One that is slower than the average counts as a little faster from
   * then on: where steps have few micro-batches it would have a part in none, and nothing more would be learned of it.
   */
  doubtSlowness(worker: WorkerRecord, cost: CostClass): void {
    const [ms, averageMs] = [worker.costMs.get(cost), this.averageCostMs(cost)];
    if (ms === undefined || averageMs === null || ms <= averageMs) return;
    const believed = ms + doubt * (averageMs - ms);
    worker.costMs.set(cost, believed);
    this.#count(cost, 1 / believed - 1 / ms, 0);
  }

  /** The worker's part, 0 to 1, of the speed of all ready workers; an equal part while its speed is not known. */
  shareOf(worker: WorkerRecord, cost: CostClass): number {
    const average = this.#averageSpeed(cost);
    const ms = worker.costMs.get(cost);
    return average === null || ms === undefined ? 1 / this.#ready.size : 1 / ms / (average * this.#ready.size);
  }

  /** Milliseconds a micro-batch of an average worker; null before anything was measured. */
  averageCostMs(cost: CostClass): number | null {
    const speed = this.#averageSpeed(cost);
    return speed === null ? null : 1 / speed;
  }

  /**
   * The given ones, fastest first; those alike in the order of their joining. Those of which nothing is known are last
   * where work is `due`, since it may be due because newcomers keep dying of it; else they pass for average.
   */
  fastestFirst(workers: WorkerRecord[], cost: CostClass, work: 'due' | 'ahead'): WorkerRecord[] {
    const unknown = work === 'due' ? Number.MAX_VALUE : (this.averageCostMs(cost) ?? 0);
    return workers.length < 2
      ? workers
      : workers.sort((a, b) => (a.costMs.get(cost) ?? unknown) - (b.costMs.get(cost) ?? unknown));
  }

  #averageSpeed(cost: CostClass): number | null {
    const speeds = this.#speeds.get(cost);
    return speeds === undefined || speeds.known === 0 ? null : speeds.sum / speeds.known;
  }

  #count(cost: CostClass, speed: number, known: number): void {
    const before = this.#speeds.get(cost) ?? { sum: 0, known: 0 };
    const after = before.known + known;
    this.#speeds.set(cost, { sum: after === 0 ? 0 : before.sum + speed, known: after });
  }
}

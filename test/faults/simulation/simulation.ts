/**
 * A run in virtual time, from an empty folder to its end: coordinators that come and go over one disk, workers that
 * compute, die, hang, lie and come back by plan. The same plan gives the same run.
 */
import type { Unit } from '../../../coordinator/decide/types.js';
import type { Outcome } from '../../../coordinator/run.js';
import type { JournalLine } from '../../../coordinator/store/journal.js';
import { StateLost } from '../../../coordinator/store/self-check.js';
import type { Compression } from '../../../shared/compression.js';
import type { Replica } from '../../../shared/replica/replica.js';
import { giveReplica, takeReplica } from './arithmetic.js';
import type { CheckedCore } from './checked-core.js';
import { CoordinatorProcess } from './coordinator-process.js';
import { Disk } from './disk.js';
import type { Crash, Plan } from './plan.js';
import { preparedRunOf, unitsOf } from './prepared-plan.js';
import { RandomStream } from './random-stream.js';
import { SimulatedRelay } from './simulated-relay.js';
import { SimulatedWorker } from './simulated-worker.js';
import { VirtualClock } from './virtual-time.js';

export interface Result {
  readonly outcome: Outcome | null;
  readonly units: readonly Unit[];
  readonly compression: Compression;
  /** The journal's commits and evaluations. */
  readonly lines: readonly JournalLine[];
  readonly fired: ReadonlySet<string>;
  /** When the core said that the run has come to its end. */
  readonly endedMs: number;
  /** Of the last life. */
  readonly accounts: CheckedCore['accounts'];
  readonly lives: number;
}

const giveUpMs = 3_600_000;
const coordinatorSlots = 16;

export async function simulate(plan: Plan): Promise<Result> {
  const simulation = new Simulation(plan);
  try {
    return await simulation.run();
  } finally {
    simulation.free();
  }
}

const asError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });

class Simulation {
  readonly #plan: Plan;
  readonly #random: RandomStream;
  readonly #clock = new VirtualClock();
  readonly #disk: Disk;
  readonly #units: Unit[];
  readonly #replica: Replica;
  readonly #fired = new Set<string>();
  readonly #nonces = new Map<string, number>();
  readonly #workers: SimulatedWorker[];
  readonly #relays: SimulatedRelay[];
  #coordinator: CoordinatorProcess | null = null;
  #core: CheckedCore | null = null;
  #outcome: Outcome | null = null;
  /** The coordinator's process has rebuilt its state once. */
  #isRebuilt = false;
  /** Milliseconds that the run is to rest once its coordinator has stopped. */
  #stopping: number | null = null;
  /** The coordinator tells its workers that it ends. */
  #isEnding = false;
  #bug: Error | null = null;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#random = new RandomStream(plan.seed);
    this.#replica = takeReplica(plan.compression, coordinatorSlots);
    this.#disk = new Disk(this.#clock, this.#random, plan.diskMs);
    this.#units = unitsOf(plan);
    this.#disk.begin(this.#replica);
    this.#clock.in(0, () => this.#start());
    const world = {
      clock: this.#clock,
      random: this.#random,
      latencyMs: plan.latencyMs,
      isInline: plan.isInline,
      compression: plan.compression,
      teachers: plan.teachers,
      coordinator: () => this.#coordinator,
      fired: (fault: string) => void this.#fired.add(fault),
    };
    const { manifest } = preparedRunOf(plan, this.#units);
    const onBug = (error: unknown): void => void (this.#bug = asError(error));
    this.#relays = (plan.relays ?? []).map(
      (relay, i) => new SimulatedRelay(`r${i}`, relay, { ...world, manifest, onBug }),
    );
    this.#workers = plan.workers.map((worker, i) => {
      const relay = this.#relays[worker.relay ?? NaN];
      return new SimulatedWorker(
        `p${i}`,
        worker,
        relay === undefined ? world : { ...world, coordinator: () => relay.whom() },
      );
    });
    for (const crash of plan.crashes) this.#clock.in(crash.atMs, () => this.#strike(crash));
    const { stopMs } = plan;
    if (stopMs !== null) this.#clock.in(stopMs, () => this.#coordinator?.stop());
  }

  async run(): Promise<Result> {
    while (this.#outcome === null && this.#clock.nowMs < giveUpMs && (await this.#clock.advance()))
      if (this.#bug !== null) throw this.#bug;
    if (this.#core === null) throw new Error('the coordinator never started');
    return {
      outcome: this.#outcome,
      units: this.#units,
      compression: this.#plan.compression,
      lines: this.#disk.lines,
      fired: this.#fired,
      endedMs: this.#core.finishedMs ?? this.#clock.nowMs,
      accounts: this.#core.accounts,
      lives: this.#nonces.size,
    };
  }

  free(): void {
    giveReplica(this.#replica);
    for (const one of [...this.#workers, ...this.#relays]) one.free();
  }

  #start(): void {
    const life = this.#nonces.size + 1;
    const nonce = `life ${life}`;
    this.#nonces.set(nonce, life);
    const starting = CoordinatorProcess.start({
      plan: this.#plan,
      units: this.#units,
      clock: this.#clock,
      disk: this.#disk,
      replica: this.#replica,
      life,
      nonces: this.#nonces,
      nonce,
      isRebuilt: this.#isRebuilt,
      fired: (what) => void this.#fired.add(what),
    });
    starting.then((process) => this.#live(process)).catch((error: unknown) => (this.#bug = asError(error)));
  }

  async #live(process: CoordinatorProcess): Promise<void> {
    [this.#coordinator, this.#core] = [process, process.core];
    try {
      await this.#onOutcome(process, await process.outcome);
    } catch (error) {
      this.#onFailure(process, error);
    }
  }

  async #onOutcome(process: CoordinatorProcess, outcome: Outcome): Promise<void> {
    // It may have been killed while it wrote its last snapshot.
    if (this.#coordinator !== process) return;
    if (outcome.type === 'rebuild') {
      this.#fired.add('rebuild');
      this.#isRebuilt = true;
      this.#end(process, 100);
      return;
    }
    const downMs = this.#stopping;
    if (outcome.type !== 'stopped' || downMs === null) {
      this.#outcome = outcome;
      return;
    }
    this.#isEnding = true;
    await process.end();
    if (this.#coordinator !== process) return;
    this.#fired.add('stopped');
    this.#end(process, downMs);
  }

  #strike({ kind, downMs }: Crash): void {
    const process = this.#coordinator;
    if (process === null) return;
    this.#fired.add(kind);
    if (kind === 'flip') {
      this.#replica.weights[1] = (this.#replica.weights[1] ?? 0) + 1;
      return;
    }
    if (kind === 'stop') {
      this.#stopping = downMs;
      return process.stop();
    }
    this.#isRebuilt = false;
    this.#end(process, downMs);
    if (kind === 'damagedSnapshot' && this.#disk.damageNewest()) this.#fired.add('passedOver');
    if (kind === 'lostLog' && this.#disk.loseLog()) this.#fired.add('wentBack');
  }

  /** It found its own replica damaged, and rebuilds it. Anything else is a bug. */
  #onFailure(process: CoordinatorProcess, error: unknown): void {
    if (!(error instanceof StateLost)) {
      this.#bug = asError(error);
      return;
    }
    if (this.#coordinator !== process) return;
    this.#fired.add('foundFlip');
    this.#isRebuilt = true;
    this.#end(process, 100);
  }

  #end(process: CoordinatorProcess, downMs: number): void {
    process.crash();
    // Every worker was told to end; the first one is there again later, and some of the others.
    if (this.#isEnding) this.#workers.forEach((worker, i) => worker.replace(i > 0 && this.#random.next() < 0.5));
    [this.#coordinator, this.#stopping, this.#isEnding] = [null, null, false];
    this.#clock.in(downMs, () => this.#start());
  }
}

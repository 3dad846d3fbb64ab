/**
 * A run in virtual time, from an empty folder to its end: coordinators that come and go over one disk, workers that
 * compute, die, hang, lie and come back by plan. The same plan gives the same run.
 */
import type { JournalLine } from '../../../coordinator/store/journal.js';
import type { Core } from '../../../coordinator/decide/decide.js';
import type { Unit } from '../../../coordinator/decide/types.js';
import { StateLost } from '../../../coordinator/store/self-check.js';
import type { Compression } from '../../../shared/compression.js';
import type { Replica } from '../../../shared/replica/replica.js';
import { giveReplica, takeReplica } from './arithmetic.js';
import { Clock } from './clock.js';
import { Disk } from './disk.js';
import type { Crash, Plan } from './plan.js';
import { RandomStream } from './random-stream.js';
import { SimulatedCoordinator, type Outcome } from './simulated-coordinator.js';
import { SimulatedWorker } from './simulated-worker.js';

export interface Result {
  readonly outcome: Outcome | null;
  readonly units: readonly Unit[];
  readonly compression: Compression;
  /** The journal's commits and evaluations. */
  readonly lines: readonly JournalLine[];
  readonly fired: ReadonlySet<string>;
  readonly mostSlots: number;
  readonly endedMs: number;
  /** Of the last life. */
  readonly core: Core;
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

class Simulation {
  readonly #plan: Plan;
  readonly #random: RandomStream;
  readonly #clock = new Clock();
  readonly #disk: Disk;
  readonly #units: Unit[];
  readonly #replica: Replica;
  readonly #fired = new Set<string>();
  readonly #nonces = new Map<string, number>();
  readonly #workers: SimulatedWorker[];
  #coordinator: SimulatedCoordinator | null = null;
  #last: SimulatedCoordinator;
  #outcome: Outcome | null = null;
  /** The coordinator's process has rebuilt its state once. */
  #isRebuilt = false;
  /** Milliseconds that the run is to rest once its coordinator has stopped. */
  #stopping: number | null = null;
  #bug: Error | null = null;
  #mostSlots = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#random = new RandomStream(plan.seed);
    this.#replica = takeReplica(plan.compression, coordinatorSlots);
    this.#disk = new Disk(this.#clock, this.#random, plan.diskMs);
    this.#units = unitsOf(plan);
    this.#disk.begin(this.#replica);
    this.#last = this.#start();
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
    this.#workers = plan.workers.map((worker, i) => new SimulatedWorker(`p${i}`, worker, world));
    for (const crash of plan.crashes) this.#clock.in(crash.atMs, () => this.#strike(crash));
    if (plan.stopMs !== null) this.#clock.in(plan.stopMs, () => this.#coordinator?.stop());
  }

  async run(): Promise<Result> {
    while (this.#outcome === null && this.#clock.nowMs < giveUpMs && (await this.#clock.advance()))
      if (this.#bug !== null) throw this.#bug;
    return {
      outcome: this.#outcome,
      units: this.#units,
      compression: this.#plan.compression,
      lines: this.#disk.lines,
      fired: this.#fired,
      mostSlots: this.#mostSlots,
      endedMs: this.#clock.nowMs,
      core: this.#last.core,
      lives: this.#nonces.size,
    };
  }

  free(): void {
    giveReplica(this.#replica);
    for (const worker of this.#workers) worker.free();
  }

  #start(): SimulatedCoordinator {
    const life = this.#nonces.size + 1;
    const coordinator = new SimulatedCoordinator({
      plan: this.#plan,
      units: this.#units,
      clock: this.#clock,
      disk: this.#disk,
      replica: this.#replica,
      life,
      nonces: this.#nonces,
      isRebuilt: this.#isRebuilt,
      fired: (what) => void this.#fired.add(what),
      onFinish: (outcome) => this.#onFinish(outcome),
      onFailure: (error) => this.#onFailure(coordinator, error),
    });
    this.#nonces.set(coordinator.nonce, life);
    [this.#coordinator, this.#last] = [coordinator, coordinator];
    return coordinator;
  }

  #onFinish(outcome: Outcome): void {
    const downMs = this.#stopping;
    if (outcome.outcome === 'rebuild') {
      this.#fired.add('rebuild');
      this.#isRebuilt = true;
      this.#end(this.#last, 100);
    } else if (outcome.outcome === 'stopped' && downMs !== null) {
      const coordinator = this.#last;
      coordinator.takeLastSnapshot().then(
        () => this.#endStopped(coordinator, downMs),
        (error: unknown) => this.#onFailure(coordinator, error),
      );
    } else this.#outcome = outcome;
  }

  /** Every worker was told to end; the first one is there again later, and some of the others. */
  #endStopped(coordinator: SimulatedCoordinator, downMs: number): void {
    // It may have been killed while it wrote its snapshot.
    if (this.#coordinator !== coordinator) return;
    this.#fired.add('stopped');
    this.#end(coordinator, downMs);
    this.#workers.forEach((worker, i) => worker.replace(i > 0 && this.#random.next() < 0.5));
  }

  #strike({ kind, downMs }: Crash): void {
    const coordinator = this.#coordinator;
    if (coordinator === null) return;
    this.#fired.add(kind);
    if (kind === 'flip') {
      this.#replica.weights[1] = (this.#replica.weights[1] ?? 0) + 1;
      return;
    }
    if (kind === 'stop') {
      this.#stopping = downMs;
      return coordinator.stop();
    }
    this.#isRebuilt = false;
    this.#end(coordinator, downMs);
    if (kind === 'damagedSnapshot' && this.#disk.damageNewest()) this.#fired.add('passedOver');
    if (kind === 'lostLog' && this.#disk.loseLog()) this.#fired.add('wentBack');
  }

  /** It found its own replica damaged, and rebuilds it. Anything else is a bug. */
  #onFailure(coordinator: SimulatedCoordinator, error: unknown): void {
    if (!(error instanceof StateLost)) {
      this.#bug = error instanceof Error ? error : new Error(String(error), { cause: error });
      return;
    }
    if (this.#coordinator !== coordinator) return;
    this.#fired.add('foundFlip');
    this.#isRebuilt = true;
    this.#end(coordinator, 100);
  }

  #end(coordinator: SimulatedCoordinator, downMs: number): void {
    this.#mostSlots = Math.max(this.#mostSlots, coordinator.mostSlots);
    coordinator.crash();
    this.#coordinator = null;
    this.#stopping = null;
    this.#clock.in(downMs, () => void this.#start());
  }
}

function unitsOf({ units }: Plan): Unit[] {
  let [step, sample] = [0, 0];
  return units.map(({ kind, microBatches }) => {
    const unit: Unit = {
      kind,
      ...(kind === 'evaluate' ? { subject: 'student' as const } : {}),
      step,
      epoch: 0,
      from: sample,
      to: sample + microBatches,
      microBatches,
    };
    if (kind === 'train') [step, sample] = [step + 1, sample + microBatches];
    return unit;
  });
}

/**
 * One life of a coordinator's process in virtual time: the real run, recovered from a simulated disk, over simulated
 * connections and timers, with the real core under watch.
 */
import { coreConfigOf } from '../../../coordinator/core-config.js';
import { usualProportion } from '../../../coordinator/decide/proportion.js';
import type { Unit } from '../../../coordinator/decide/types.js';
import { Account } from '../../../coordinator/reports/totals.js';
import { silentOutput } from '../../../coordinator/reports/outputs/output.js';
import { Run, type Outcome } from '../../../coordinator/run.js';
import { Probes } from '../../../coordinator/workers/numerics.js';
import { weightsAt } from '../../../shared/recipe/schedules.js';
import type { Replica } from '../../../shared/replica/replica.js';
import { rootOf } from '../../../shared/replica/reduction/tree.js';
import { taskOf } from '../../../shared/task.js';
import { CheckedCore } from './checked-core.js';
import type { Disk } from './disk.js';
import type { Plan } from './plan.js';
import { preparedRunOf, unitPlanOf } from './prepared-plan.js';
import { ProcessTimers, type VirtualClock } from './virtual-time.js';
import type { Wire } from './wire.js';

export interface CoordinatorProcessOptions {
  readonly plan: Plan;
  readonly units: readonly Unit[];
  readonly clock: VirtualClock;
  readonly disk: Disk;
  readonly replica: Replica;
  /** Counts the lives, from 1. */
  readonly life: number;
  /** Of all lives, this one included. */
  readonly nonces: ReadonlyMap<string, number>;
  readonly nonce: string;
  readonly isRebuilt: boolean;
  readonly fired: (what: string) => void;
}

const times = { heartbeatMs: 1000, silenceMs: 5000, firstLeaseMs: 20_000, tickMs: 200, patienceMs: 3000 };

export class CoordinatorProcess {
  readonly core: CheckedCore;
  /** Resolves and rejects as the run does; never once the process is gone. */
  readonly outcome: Promise<Outcome>;
  readonly #run: Run;
  readonly #timers: ProcessTimers;
  readonly #disk: Disk;
  readonly #stop: AbortController;
  readonly #wires = new Set<Wire>();

  private constructor(parts: {
    readonly run: Run;
    readonly core: CheckedCore;
    readonly timers: ProcessTimers;
    readonly disk: Disk;
    readonly stop: AbortController;
  }) {
    [this.#run, this.core, this.#timers, this.#disk, this.#stop] = [
      parts.run,
      parts.core,
      parts.timers,
      parts.disk,
      parts.stop,
    ];
    this.outcome = parts.run.finished();
  }

  static async start(options: CoordinatorProcessOptions): Promise<CoordinatorProcess> {
    const { plan, units, clock, disk, replica, life, nonces, nonce, isRebuilt, fired } = options;
    const timers = new ProcessTimers(clock);
    const stop = new AbortController();
    const run = preparedRunOf(plan, units);
    const unitPlan = unitPlanOf(units);
    const standing = { ...disk.recover(replica, life), stateHash: replica.hashState(), lines: disk.lines };
    const store = disk.storeOf(timers, { generation: { counter: life, nonce }, nonces });
    const slots = slotsOf(plan);
    const config = coreConfigOf({
      ...{ run, units: unitPlan, plan: replica.plan, standing, times, slots, isRebuilt },
      isOpenToOthers: false,
      secret: 'simulated',
    });
    const core = new CheckedCore({
      // What an upload costs is the plan's; the bytes that travel are few.
      config: {
        ...config,
        contributionBytes: plan.contributionBytes,
        proportion: { ...usualProportion, leastBlocks: plan.leastBlocks ?? usualProportion.leastBlocks },
      },
      units,
      fired,
    });
    const account = new Account({
      task: taskOf(run.recipe),
      weightsAt: (step) => weightsAt(run.recipe.losses, step, unitPlan.totalSteps),
      closesEpoch: (unit) => unitPlan.closesEpoch(unit),
      patience: undefined,
    });
    for (const line of standing.lines) account.add(line);
    const probes = await Probes.open({
      folder: store.folder,
      journalled: null,
      journal: () => Promise.resolve(),
      warn: () => undefined,
    });
    return new CoordinatorProcess({
      run: new Run({
        run,
        units: unitPlan,
        core,
        replica,
        buffers: slots,
        store,
        standing,
        account,
        probes,
        reporter: silentOutput,
        timers,
        timeOfDayMs: () => clock.nowMs,
        times,
        memoryFolder: null,
        expected: 1,
        isOpen: true,
        stopSignal: stop.signal,
        onDrop: () => undefined,
        onSnapshotWanted: () => () => undefined,
      }),
      core,
      timers,
      disk,
      stop,
    });
  }

  connect(wire: Wire): void {
    this.#wires.add(wire);
    this.#run.connect(wire);
  }

  /** A snapshot's state, as a worker would download it; undefined where it has been deleted. */
  download(sha256: string): Uint8Array | undefined {
    return this.#run.findArtifact(sha256) === undefined ? undefined : this.#disk.stateOf(sha256);
  }

  /** Asks for a stop in good order. */
  stop(): void {
    this.#stop.abort('asked to');
  }

  /** Ends as the real process does after a stop in good order: every worker is told. */
  async end(): Promise<void> {
    await this.#run.tellEnd({ reason: 'stopped', text: 'asked to' });
    this.#run.close();
    await this.#run.idle();
  }

  /** The process is gone; every connection breaks, and what was being written is there as a whole, or is not. */
  crash(): void {
    this.#timers.isGone = true;
    this.#disk.crash();
    for (const wire of this.#wires) wire.crash();
  }
}

/** Slots that the widest unit's prefix needs, and the plan's for early contributions. */
function slotsOf({ units, earlySlots }: Plan): number {
  const needed = units.map(({ kind, microBatches }) => (kind === 'train' ? rootOf(microBatches).level + 1 : 1));
  return Math.max(...needed) + earlySlots;
}

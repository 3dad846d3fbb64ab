/**
 * A run as this worker has joined it: models and index on the disk, the replica in memory. It outlives connections: a
 * worker that comes back to the same run keeps its replica and its built student, and needs only the missing commits.
 */
import { ProtocolError } from '../../shared/errors.js';
import type { Plane } from '../../shared/exchange/plane.js';
import type { Down, Up } from '../../shared/protocol/messages.js';
import { planReplica, type ReplicaPlan } from '../../shared/replica/plan.js';
import { Replica } from '../../shared/replica/replica.js';
import { workerSlots } from '../../shared/replica/slot-counts.js';
import type { LinkView } from '../threads/control.js';
import type { Begin, LogPlace, Probe, ToTrainer } from '../threads/messages.js';
import { ReplicaFold, type StoredState } from './replica-fold.js';
import type { RunFiles } from './run-files.js';
import { Uploads } from './uploads.js';

export interface JoinOptions {
  readonly control: LinkView;
  /** Number of the run among those of this worker. */
  readonly runNumber: number;
  readonly toTrainer: (message: ToTrainer) => void;
  /** Absent: as many as a trainer needs. */
  readonly slotsOf?: SlotsOf | undefined;
}

/** How many slots a replica has beside its state, the one for commits included. */
export type SlotsOf = (plan: ReplicaPlan, batch: Parameters<typeof workerSlots>[1]) => number;

export class JoinedRun {
  readonly recipeDigest: string;
  /** The recipe's name, else the run's id: for people. */
  readonly name: string;
  readonly runNumber: number;
  readonly fold: ReplicaFold;
  readonly uploads: Uploads;
  readonly begin: Begin;
  /** What the trainer found out about the numerics here; null until it has. */
  probe: Probe | null = null;
  /** Nonce of the generation under which the replica came to where it is; null when it must not be used any more. */
  nonce: string | null = null;
  readonly #toTrainer: (message: ToTrainer) => void;

  constructor(welcome: Down<'welcome'>, files: RunFiles, options: JoinOptions) {
    const plan = planReplica(files.spec, files.recipe.optimizer, files.recipe.compression);
    const { slotsOf = workerSlots } = options;
    const slots = slotsOf(plan, files.recipe.batch);
    const trainerSlots = Array.from({ length: slots - 1 }, (_, i) => i);
    const replica = new Replica(plan, { slots });
    this.recipeDigest = welcome.recipeDigest;
    this.name = files.recipe.name ?? welcome.run;
    this.runNumber = options.runNumber;
    this.#toTrainer = options.toTrainer;
    this.fold = new ReplicaFold(replica, options.control, slots - 1);
    this.uploads = new Uploads({ replica, giveBack: (slot) => this.giveBack(slot) });
    const { recipe, spec, manifest, teachers: paths, initialPath } = files;
    this.begin = {
      type: 'begin',
      runNumber: options.runNumber,
      recipe,
      spec,
      teachers: welcome.teachers,
      manifest,
      files: paths,
      initialPath,
      memory: replica.memory,
      slots,
      trainerSlots,
    };
  }

  /**
   * Brings the replica to where the welcome says that it starts.
   *
   * @param state a snapshot's; null to go on from what the replica holds
   * @throws ProtocolError when there is neither
   */
  startFrom(welcome: Down<'welcome'>, state: StoredState | null): void {
    if (welcome.snapshot !== null && state !== null) this.fold.load(state, welcome.snapshot);
    else if (this.nonce === null)
      throw new ProtocolError('a welcome without a snapshot for a worker that holds nothing');
    this.nonce = welcome.nonce;
  }

  /** Bulk bytes take this way from now on, on a new connection. */
  usePlane(plane: Plane): void {
    this.fold.usePlane(plane);
    this.uploads.usePlane(plane);
  }

  /** Passes a slot back to the trainer. */
  giveBack(slot: number): void {
    this.#toTrainer({ type: 'slot', runNumber: this.runNumber, slot });
  }

  /** The replica's state is not to be trusted any more: it starts from a snapshot next time. */
  lose(): void {
    this.nonce = null;
  }

  /** What a `hello` says of the replica; null when it must not be used. */
  held(): Up<'hello'>['held'] {
    if (this.nonce === null) return null;
    const { step, stateHash, receipt } = this.fold;
    return { nonce: this.nonce, step, stateHash, receipt };
  }
}

/** Where a worker stands that has joined this run, or none yet. */
export function placeOf(worker: string, run: JoinedRun | null): LogPlace {
  return run === null ? { worker } : { worker, run: run.name, step: run.fold.step };
}

/**
 * When a snapshot is due or asked for, and taking it beside training: the state is copied between two commits, written
 * in the background, and the log before the oldest snapshot that is kept is deleted afterwards. One at a time. Costs
 * the state's bytes of memory, and training the time to copy them and to see by the fast hash that they are sound.
 */
import type { Replica } from '../../shared/replica/replica.js';
import type { KeptCommits } from './kept-commits.js';
import { expectOwnState } from './self-check.js';
import { StateCopy } from './state-copy.js';
import type { RunPosition, Snapshots } from './snapshots.js';

/** What is written, where to, and how often. */
export interface SnapshotterOptions {
  readonly replica: Replica;
  readonly log: Pick<KeptCommits, 'rotate' | 'dropBefore' | 'sizeBytes' | 'isDurable'>;
  readonly snapshots: Pick<Snapshots, 'newest' | 'oldestStep' | 'write'>;
  readonly everySteps: number;
  readonly everySeconds: number;
  /** Log bytes beyond which a snapshot is due. */
  readonly logBytes?: number;
  readonly nowMs: () => number;
  readonly onError: (error: unknown) => void;
}

/** Takes the snapshots of one run. */
export class Snapshotter {
  readonly #options: SnapshotterOptions;
  readonly #logBytes: number;
  #lastStep: number;
  #lastMs: number;
  /** Bytes of log that the last snapshot found; they stay until two newer snapshots are kept. */
  #logBase: number;
  #writing: Promise<void> | null = null;
  readonly #copy: StateCopy;
  #taken = 0;
  #tookMs = 0;
  /** Those who asked for a snapshot that has not begun yet. Each is told the step of it. */
  #wanted: ((step: number) => void)[] = [];

  constructor(options: SnapshotterOptions) {
    this.#options = options;
    this.#logBytes = options.logBytes ?? Math.max(64 * 1024 * 1024, 4 * options.replica.plan.stateBytes);
    this.#lastStep = options.snapshots.newest?.step ?? 0;
    this.#lastMs = options.nowMs();
    this.#logBase = 0;
    this.#copy = new StateCopy(options.replica.plan.stateBytes);
  }

  /** How many were taken here, how long the newest of them took, and how old the newest one of all is, as far as is known. */
  get counts(): { readonly taken: number; readonly seconds: number; readonly ageSeconds: number } {
    const { nowMs } = this.#options;
    return { taken: this.#taken, seconds: this.#tookMs / 1000, ageSeconds: (nowMs() - this.#lastMs) / 1000 };
  }

  /** One is due, whatever the rules say; `whenDone` hears at which step it was taken, once it is on the disk. */
  want(whenDone: (step: number) => void): void {
    this.#wanted.push(whenDone);
  }

  /** Takes a snapshot if one is due. Must be called between two commits, with the position of the state as it is. */
  consider(position: RunPosition): void {
    if (this.#writing !== null) return;
    if (position.step === this.#lastStep) return this.#tell(this.#wanted.splice(0), position);
    if (this.#wanted.length === 0 && !this.#isDue(position)) return;
    const wanted = this.#wanted.splice(0);
    this.#writing = this.#take(position)
      .then(() => this.#tell(wanted, position))
      .catch((error: unknown) => this.#options.onError(error))
      .finally(() => {
        this.#writing = null;
      });
  }

  /** Takes one now, unless the newest is of this position. @throws UserError when the disk fails */
  async finish(position: RunPosition): Promise<void> {
    await this.#writing;
    if (position.step > (this.#options.snapshots.newest?.step ?? 0)) await this.#take(position);
  }

  /** Resolves once nothing is being written. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  /** Waits for the snapshot that is being written, and frees the copy. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#copy.close();
  }

  #tell(wanted: readonly ((step: number) => void)[], { step }: RunPosition): void {
    for (const whenDone of wanted) whenDone(step);
  }

  #isDue({ step }: RunPosition): boolean {
    const { everySteps, everySeconds, nowMs, log } = this.#options;
    return (
      step - this.#lastStep >= everySteps ||
      nowMs() - this.#lastMs >= everySeconds * 1000 ||
      // What is kept for the others alone is bounded otherwise.
      (log.isDurable && log.sizeBytes - this.#logBase >= this.#logBytes)
    );
  }

  async #take(position: RunPosition): Promise<void> {
    const { replica, log, snapshots, nowMs } = this.#options;
    expectOwnState(replica, position);
    [this.#lastStep, this.#lastMs, this.#logBase] = [position.step, nowMs(), log.sizeBytes];
    log.rotate();
    this.#copy.take(replica.state());
    await snapshots.write(this.#copy, position);
    await log.dropBefore(snapshots.oldestStep);
    this.#taken++;
    this.#tookMs = nowMs() - this.#lastMs;
    this.#logBase = Math.min(this.#logBase, log.sizeBytes);
  }
}

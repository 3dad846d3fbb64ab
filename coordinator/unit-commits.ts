/**
 * The core's commit command, carried out to its end: the unit is committed, and a snapshot of the state after it is
 * considered, before the core hears of it and may begin the next. One unit at a time.
 */
import { faultPoint } from '../shared/fault-points.js';
import type { UntimedEvent } from './decide/types.js';
import type { Committer, CommitRequest } from './exchange/commit.js';
import type { ReportOutput } from './reports/outputs/output.js';
import type { RunReports } from './run-reports.js';
import { isFailedStep, type EvaluationLine, type JournalLine } from './store/journal.js';
import type { Snapshotter } from './store/snapshotter.js';
import type { RunPosition } from './store/snapshots.js';
import type { RunTrace } from './trace/run-trace.js';

export interface UnitCommitsOptions {
  readonly committer: Committer;
  readonly snapshotter: Snapshotter;
  readonly reports: RunReports;
  /** Keeps the replica's weights as the best so far, after so many steps. */
  readonly keepBest: (step: number) => Promise<void>;
  readonly reporter: Pick<ReportOutput, 'say'>;
  readonly trace?: RunTrace | undefined;
  /** Index of the first unit that is not committed yet. */
  readonly firstUnit: number;
  readonly stepsPerEpoch: number;
  readonly recipeDigest: string;
  /** Whether the run has ended meanwhile, so that nothing is reported any more. */
  readonly isOver: () => boolean;
  readonly post: (event: UntimedEvent) => void;
  /** Called with an error that ends the run. */
  readonly fail: (error: unknown) => void;
}

export class UnitCommits {
  readonly #options: UnitCommitsOptions;
  /** Index of the first unit that is not committed yet. */
  #unit: number;
  #isCommitting = false;
  #committing: Promise<void> = Promise.resolve();

  constructor(options: UnitCommitsOptions) {
    this.#options = options;
    this.#unit = options.firstUnit;
  }

  get snapshots(): Snapshotter['counts'] {
    return this.#options.snapshotter.counts;
  }

  begin(request: CommitRequest): void {
    this.#committing = this.#commit(request).catch((error: unknown) => this.#options.fail(error));
  }

  /** Resolves once no unit is being committed. */
  async idle(): Promise<void> {
    await this.#committing;
  }

  /** Takes a snapshot that the user asked for, and says so. */
  async takeSnapshot(): Promise<void> {
    const { reporter, snapshotter } = this.#options;
    snapshotter.want((step) => reporter.say('info', `the snapshot that was asked for is on the disk: step ${step}`));
    await this.#snapshotSoon();
  }

  /** Resolves with the step of a snapshot, of the state as it is now or after the open commit, once it is on the disk. */
  async newSnapshot(): Promise<number> {
    const taken = new Promise<number>((resolve) => this.#options.snapshotter.want(resolve));
    await this.#snapshotSoon();
    return taken;
  }

  /** Takes the snapshot that is wanted: now, where nothing is being committed, else after the commit. */
  async #snapshotSoon(): Promise<void> {
    const { snapshotter, isOver } = this.#options;
    await snapshotter.idle();
    if (!this.#isCommitting && !isOver()) snapshotter.consider(this.#position());
  }

  /** The run has come to its end: a stopped one leaves a snapshot, one that is done the report of its last epoch. */
  async finish(outcome: 'done' | 'stopped' | 'failed' | 'rebuild'): Promise<void> {
    const { snapshotter, reports } = this.#options;
    await snapshotter.idle();
    if (outcome === 'stopped') await snapshotter.finish(this.#position());
    if (outcome === 'done') await reports.end();
  }

  /** Resolves once nothing is being written any more. */
  async close(): Promise<void> {
    await this.#committing;
    await this.#options.snapshotter.close();
  }

  async #commit(request: CommitRequest): Promise<void> {
    const { committer, snapshotter, reports, isOver, post, trace } = this.#options;
    this.#isCommitting = true;
    const write = async (): Promise<JournalLine> =>
      request.unit.kind === 'train'
        ? await committer.commitTraining(request)
        : await committer.commitEvaluation(request, (evaluation) => this.#keepIfBest(evaluation));
    const line = await (trace === undefined ? write() : trace.commit({ step: request.unit.step }, write));
    if (isOver()) return;
    faultPoint('after-fsync');
    this.#unit = request.index + 1;
    // Whether training goes on may depend on an evaluation; the workers need not wait for the report of a step.
    if (line.type !== 'commit') reports.add(line);
    this.#isCommitting = false;
    // Before the core may begin the next commit, which changes the state.
    snapshotter.consider(this.#position());
    post({
      type: 'committed',
      unit: request.index,
      stateHash: committer.stateHash,
      isSkipped: line.type === 'commit' && isFailedStep(line),
      stopEarly: line.type === 'evaluation' && reports.sayIfStale(),
    });
    if (line.type === 'commit') reports.add(line);
  }

  async #keepIfBest(line: EvaluationLine): Promise<void> {
    if (this.#options.reports.isBest(line)) await this.#options.keepBest(line.step);
  }

  /** Where the run stands between two commits. */
  #position(): RunPosition {
    const { committer, stepsPerEpoch, recipeDigest } = this.#options;
    const { step, update, stateHash, journalHead: journal } = committer;
    return {
      step,
      update,
      unit: this.#unit,
      epoch: Math.floor(step / stepsPerEpoch),
      stateHash,
      recipeDigest,
      journal,
    };
  }
}

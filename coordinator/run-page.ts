/** The page of a run in progress: what it shows is put together from the run's parts, once somebody watches. */
import { basename, dirname, resolve } from 'node:path';
import { weightsAt } from '../shared/recipe/schedules.js';
import { taskOf } from '../shared/task.js';
import { serveAsset } from './page/assets.js';
import { LiveRun } from './page/live-run.js';
import type { PageEnd, PageStatus, PastRun } from './page/browser/messages.js';
import { pastRuns } from './page/past-runs.js';
import { Viewers } from './page/viewers.js';
import type { PreparedRun } from './plan/prepared-run.js';
import { describeEngines } from './plan/run-engines.js';
import { batchOf, unitsOf } from './plan/units-of.js';
import type { RecoveredRun } from './recovered-run.js';
import { referencesOf } from './reports/references.js';
import type { Summary } from './reports/summary.js';
import type { PageOperations } from './server/operations.js';
import type { RunStatus } from './watch/run-status.js';

export interface RunPageOptions {
  readonly run: PreparedRun;
  /** The run's folder. */
  readonly path: string;
  /** What the baseline came to; absent where there is none. */
  readonly baseline: Summary['baseline'];
  /** Milliseconds since 1970. */
  readonly timeOfDayMs: () => number;
}

/** What the page reads of a run at work. */
export interface WatchedRun {
  readonly recovered: Pick<RecoveredRun, 'account' | 'log' | 'standing'>;
  readonly envelope: { readonly run: string; readonly generation: number };
  readonly status: () => Promise<RunStatus>;
  readonly onError: (error: unknown) => void;
}

/** How long a look at the other runs of the folder is good for, in milliseconds. */
const lookMs = 5000;

export class RunPage {
  /** The run's reports go here, too. */
  readonly live: LiveRun;
  readonly #options: RunPageOptions;
  readonly #weightsAt: (step: number) => Record<string, number>;
  #viewers: Viewers | null = null;
  #looked: { readonly atMs: number; readonly runs: Promise<PastRun[]> } | null = null;

  constructor(options: RunPageOptions) {
    const { run, timeOfDayMs } = options;
    const { totalSteps } = unitsOf(run);
    this.#options = options;
    this.#weightsAt = (step) => weightsAt(run.recipe.losses, step, totalSteps);
    this.live = new LiveRun({ weightsAt: this.#weightsAt, nowMs: timeOfDayMs });
  }

  /** Begins to answer those who watch. */
  open(watched: WatchedRun): PageOperations {
    const { run, path } = this.#options;
    const { recovered, envelope, onError } = watched;
    const { size, micro } = batchOf(run.recipe);
    this.live.addJournal(recovered.standing.lines);
    const viewers = new Viewers({
      run: {
        ...envelope,
        name: run.name,
        folder: basename(resolve(path)),
        batch: { size, micro },
        engines: describeEngines(run.engines),
      },
      live: this.live,
      status: this.#statusOf(watched),
      onError,
    });
    this.#viewers = viewers;
    return {
      asset: serveAsset,
      live: (request, response, mayStay) => viewers.serve(request, response, mayStay),
      runs: () => this.#runs(),
    };
  }

  /** Gives those who watch the last word. */
  async close(end: PageEnd): Promise<void> {
    await this.#viewers?.close(end);
  }

  #statusOf({ recovered, status }: WatchedRun): () => Promise<PageStatus & { readonly here: RunStatus['workers'] }> {
    const { log } = recovered;
    let [before, commitMs]: [{ step: number; seconds: number }, number | null] = [{ step: 0, seconds: 0 }, null];
    return async () => {
      const { workers: here, ...rest } = await status();
      const { seconds } = log.written;
      const { step } = rest;
      // Only steps of this coordinator were written by it.
      if (before.step > 0 && step > before.step) commitMs = ((seconds - before.seconds) * 1000) / (step - before.step);
      before = { step, seconds };
      return {
        ...rest,
        ...this.#figuresOf(recovered),
        here,
        workers: here.length,
        weights: this.#weightsAt(Math.max(0, step - 1)),
        commitMs,
        logBytes: log.sizeBytes,
        residentBytes: process.memoryUsage.rss(),
      };
    };
  }

  #figuresOf({ account }: WatchedRun['recovered']): Pick<PageStatus, 'figure' | 'references'> {
    const { run, baseline } = this.#options;
    const compared = referencesOf({ task: taskOf(run.recipe), teachers: run.teachers, baseline }, account);
    const references = compared.map(({ name, value }) => ({ name, value }));
    return { figure: this.live.figure ?? compared[0]?.figure ?? null, references };
  }

  #runs(): Promise<PastRun[]> {
    const nowMs = performance.now();
    if (this.#looked === null || nowMs - this.#looked.atMs > lookMs)
      this.#looked = { atMs: nowMs, runs: pastRuns(dirname(resolve(this.#options.path))) };
    return this.#looked.runs;
  }
}

/** What a run reports while it goes on: everything follows from the journal's lines. */
import { termMeans } from '../shared/figures/training-sums.js';
import { weightsAt } from '../shared/recipe/schedules.js';
import { termNames } from '../shared/recipe/terms.js';
import type { PreparedRun } from './plan/prepared-run.js';
import type { UnitPlan } from './plan/units.js';
import type { MetricsLine } from './reports/metrics.js';
import type { ReportOutput, RunProgress } from './reports/outputs/output.js';
import { secondsLeft } from './reports/outputs/rate.js';
import { StepReports, type ReportedSteps } from './reports/steps.js';
import { termWarnings } from './reports/term-warnings.js';
import { checkTeachers } from './reports/teacher-check.js';
import type { Account } from './reports/totals.js';
import type { CommitLine, EvaluationLine, JournalLine } from './store/journal.js';

export interface RunReportsOptions {
  readonly run: PreparedRun;
  readonly units: UnitPlan;
  readonly account: Account;
  readonly reporter: ReportOutput;
  readonly readyWorkers: () => number;
  readonly labels: RunProgress['labels'];
  /** Called with an error that ends the run. */
  readonly fail: (error: unknown) => void;
}

/** How a run goes: its newest step, and how fast it comes to the next ones. */
export interface RunPace {
  /** Counted from 0; null before the first step of this coordinator. */
  readonly epoch: number | null;
  /** 0 until it is known. */
  readonly samplesPerSecond: number;
  readonly secondsLeft: number | null;
  /** The newest step's loss terms, means over samples. */
  readonly terms: Readonly<Record<string, number>>;
}

export class RunReports {
  readonly #options: RunReportsOptions;
  /** Samples that were committed before this coordinator started. */
  readonly #firstSamples: number;
  /** Loss terms that the user has been warned of. */
  readonly #warned = new Set<string>();
  readonly #firstStep: number;
  readonly #steps: StepReports;
  #perSecond = 0;
  #newest: CommitLine | null = null;

  constructor(options: RunReportsOptions) {
    this.#options = options;
    this.#firstSamples = options.account.samples;
    this.#firstStep = options.account.steps;
    const { run, units } = options;
    this.#steps = new StepReports(reportedSteps(run, units.totalSteps));
  }

  get pace(): RunPace {
    const { units, account } = this.#options;
    const newest = this.#newest;
    const step = newest === null ? this.#firstStep : newest.step + 1;
    const progress = { step, totalSteps: units.totalSteps, samples: account.samples - this.#firstSamples };
    return {
      epoch: newest?.epoch ?? null,
      samplesPerSecond: this.#perSecond,
      secondsLeft: secondsLeft(progress, { perSecond: this.#perSecond, firstStep: this.#firstStep }),
      terms: newest === null ? {} : termMeans(newest),
    };
  }

  /** A unit was committed with this line. @throws UserError when the teachers' evaluation shows that they are unfit */
  add(line: JournalLine): void {
    const { account, run, reporter } = this.#options;
    const epoch = account.add(line);
    if (line.type === 'commit') this.#addStep(line);
    if (epoch !== null) this.#addEpoch(epoch);
    if (line.type === 'evaluation' && line.subject === 'teachers') checkTeachers(line, run, reporter);
  }

  isBest(line: EvaluationLine): boolean {
    return this.#options.account.isBest(line);
  }

  /** Says so when training ends since no evaluation was better for too long. @returns whether it does */
  sayIfStale(): boolean {
    const { account, run, reporter } = this.#options;
    const patience = run.recipe.evaluate.earlyStop?.patience;
    if (!account.isStale || patience === undefined) return false;
    reporter.say('info', `no better evaluation in ${patience}; training ends`);
    return true;
  }

  /** The run is done, in the middle of an epoch or behind its last one. */
  async end(): Promise<void> {
    await this.#options.reporter.end(this.#options.account.closeEpoch());
  }

  #addStep(line: CommitLine): void {
    this.#newest = line;
    const report = this.#steps.add(line);
    if (report === null) return;
    this.#perSecond = report.samplesPerSecond;
    this.#options.reporter.step(report);
    this.#showProgress(line);
  }

  #addEpoch(epoch: MetricsLine): void {
    const { run, reporter, fail } = this.#options;
    reporter.epoch(epoch).catch(fail);
    const terms = termNames(run.recipe.losses);
    for (const [term, warning] of termWarnings(epoch, terms)) {
      if (!this.#warned.has(term)) reporter.say('warn', warning);
      this.#warned.add(term);
    }
  }

  #showProgress(line: CommitLine): void {
    const { account, units, reporter, readyWorkers, labels } = this.#options;
    reporter.progress({
      step: line.step + 1,
      totalSteps: units.totalSteps,
      epoch: line.epoch,
      epochs: units.epochs,
      samples: account.samples - this.#firstSamples,
      terms: termMeans(line),
      workers: readyWorkers(),
      labels,
    });
  }
}

/** What the reports of a run's steps follow from. */
export function reportedSteps({ recipe }: PreparedRun, totalSteps: number): ReportedSteps {
  return {
    optimizer: recipe.optimizer,
    totalSteps,
    weightsAt: (step) => weightsAt(recipe.losses, step, totalSteps),
  };
}

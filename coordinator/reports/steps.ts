/** What a run reports of its training steps, derived from the journal's lines and nothing else. Pure: a fold over lines. */
import { termMeans } from '../../shared/figures/training-sums.js';
import type { OptimizerRecipe } from '../../shared/recipe/schema.js';
import { scheduleFactor } from '../../shared/replica/optimizer/schedules.js';
import type { JournalLine } from '../store/journal.js';
import { SampleRate } from './sample-rate.js';

/** A training step that was committed. It follows from the journal, and so is the same whenever it is reported. */
export interface StepReport {
  /** Steps committed, this one included. */
  readonly step: number;
  readonly epoch: number;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** The total loss, and each term's unweighted mean over the samples that it applies to. */
  readonly loss: number;
  readonly terms: Readonly<Record<string, number>>;
  readonly learningRate: number;
  /** 0 until it is known. */
  readonly samplesPerSecond: number;
}

/** What the reports of a run's steps follow from, beside its journal. */
export interface ReportedSteps {
  readonly optimizer: Pick<OptimizerRecipe, 'learningRate' | 'schedule'>;
  readonly totalSteps: number;
  /** The weights of the recipe's loss terms in a step. */
  readonly weightsAt: (step: number) => Readonly<Record<string, number>>;
}

/** Folds journal lines into one report for each commit. A pace is that of one coordinator: pauses count for nothing. */
export class StepReports {
  readonly #run: ReportedSteps;
  #rate = new SampleRate();
  #samples = 0;

  constructor(run: ReportedSteps) {
    this.#run = run;
  }

  /** @returns null for a line that is no commit */
  add(line: JournalLine): StepReport | null {
    if (line.type === 'generation') this.#rate = new SampleRate();
    if (line.type !== 'commit') return null;
    const { optimizer, totalSteps, weightsAt } = this.#run;
    const { step, epoch, atMs } = line;
    const [terms, weights] = [termMeans(line), weightsAt(step)];
    this.#samples += line.samples;
    return {
      step: step + 1,
      epoch,
      atMs,
      terms,
      loss: Object.entries(terms).reduce((sum, [term, mean]) => sum + (weights[term] ?? 0) * mean, 0),
      learningRate: optimizer.learningRate * scheduleFactor(optimizer.schedule, step, totalSteps),
      samplesPerSecond: this.#rate.update(atMs, this.#samples),
    };
  }
}

/** The reports of all commits among these lines, made one after the other as they are taken. */
export function* stepsIn(lines: readonly JournalLine[], run: ReportedSteps): Generator<StepReport> {
  const reports = new StepReports(run);
  for (const line of lines) {
    const report = reports.add(line);
    if (report !== null) yield report;
  }
}

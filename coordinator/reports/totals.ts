/**
 * The account of a run, kept up to date line by line of the journal: summary, metrics and early stopping are derived
 * from it. Its size does not grow with the number of steps. Pure.
 */
import { isBetter } from '../../shared/figures/figures.js';
import { figuresByTask } from '../../shared/figures/tasks.js';
import type { Task } from '../../shared/task.js';
import type { EvaluationLine, JournalLine } from '../store/journal.js';
import { EpochMetrics, type MetricsLine, type TermWeights } from './metrics.js';

export interface AccountOptions {
  readonly task: Task;
  /** The weights of the recipe's loss terms in a step. */
  readonly weightsAt: (step: number) => TermWeights;
  /** Whether a unit is the last one of its epoch. */
  readonly closesEpoch: (unit: number) => boolean;
  /** Evaluations without a better one before training ends; undefined: it never ends for that. */
  readonly patience: number | undefined;
}

export class Account {
  /** Training steps committed, and the samples that they covered. */
  steps = 0;
  samples = 0;
  /** Time from commit or evaluation to the next, but for the pauses before a coordinator's start. */
  milliseconds = 0;
  /** The newest evaluation of the teachers, the newest of the student, and the best of the student. */
  teachers: EvaluationLine | undefined;
  student: EvaluationLine | undefined;
  best: EvaluationLine | undefined;
  /** Teachers that the run goes on without, and the first step without each. */
  readonly dropped = new Map<string, number>();
  readonly #options: AccountOptions;
  readonly #metrics: EpochMetrics;
  /** Evaluations of the student since the best one. */
  #sinceBest = 0;
  #lastMs: number | null = null;

  constructor(options: AccountOptions) {
    this.#options = options;
    this.#metrics = new EpochMetrics(options.task, options.weightsAt);
  }

  /** Whether so many evaluations in a row were no better that training should end. */
  get isStale(): boolean {
    return this.#options.patience !== undefined && this.#sinceBest >= this.#options.patience;
  }

  /** Whether `line` would be the best evaluation so far: by the task's main figure, or as good at a lower loss. */
  isBest(line: EvaluationLine): boolean {
    if (line.subject !== 'student') return false;
    if (this.best === undefined) return true;
    const { studentFigures } = figuresByTask[this.#options.task];
    return isBetter(studentFigures(line.sums), studentFigures(this.best.sums));
  }

  /**
   * Takes any line. An account that is made while the run goes on gets fewer of them than one that is made from the
   * journal, so generations, commits and evaluations alone count.
   *
   * @returns the metrics of the epoch that the line closes; null when it closes none
   */
  add(line: JournalLine): MetricsLine | null {
    // What else is journalled comes beside them, and takes none of the run's time.
    if (line.type !== 'generation' && line.type !== 'commit' && line.type !== 'evaluation') return null;
    // The first line has none before it, and so took no time.
    if (line.type !== 'generation') this.milliseconds += Math.max(0, line.atMs - (this.#lastMs ?? line.atMs));
    this.#lastMs = line.atMs;
    this.#metrics.add(line);
    if (line.type === 'generation') return null;
    if (line.type === 'commit') {
      this.steps++;
      this.samples += line.samples;
    } else this.#addEvaluation(line);
    for (const name of line.dropped ?? []) if (!this.dropped.has(name)) this.dropped.set(name, line.step);
    return this.#options.closesEpoch(line.unit) ? this.#metrics.close() : null;
  }

  /** The metrics of an epoch that ended before its time; null when there is none. */
  closeEpoch(): MetricsLine | null {
    return this.#metrics.close();
  }

  #addEvaluation(line: EvaluationLine): void {
    if (line.subject === 'teachers') {
      this.teachers = line;
      return;
    }
    this.student = line;
    const isBest = this.isBest(line);
    this.#sinceBest = isBest ? 0 : this.#sinceBest + 1;
    if (isBest) this.best = line;
  }
}

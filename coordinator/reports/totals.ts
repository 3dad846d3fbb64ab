/**
 * The account of a run, kept up to date line by line of the journal: what the summary, the metrics and early stopping
 * are derived from. Pure. Its size does not grow with the number of steps.
 */
import type { EvaluationLine, JournalLine } from '../store/journal.js';
import { isBetter } from '../../shared/figures/figures.js';
import { figuresByTask } from '../../shared/figures/tasks.js';
import type { Task } from '../../shared/task.js';
import { EpochMetrics, type MetricsLine, type TermWeights } from './metrics.js';

export interface AccountOptions {
  readonly task: Task;
  readonly weightsAt: (step: number) => TermWeights;
  readonly closesEpoch: (unit: number) => boolean;
  /** Evaluations without a better one before training ends; undefined: never. */
  readonly patience: number | undefined;
}

export class Account {
  steps = 0;
  samples = 0;
  /** Between lines, those that begin a generation left out. */
  milliseconds = 0;
  /** The newest line of each kind. */
  teachers: EvaluationLine | undefined;
  student: EvaluationLine | undefined;
  best: EvaluationLine | undefined;
  /** Teachers that the run goes on without, and the first step without each. */
  readonly dropped = new Map<string, number>();
  readonly #options: AccountOptions;
  readonly #metrics: EpochMetrics;
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
    if (line.subject !== 'student' || this.best === undefined) return line.subject === 'student';
    const { studentFigures } = figuresByTask[this.#options.task];
    return isBetter(studentFigures(line.sums), studentFigures(this.best.sums));
  }

  /** @returns the metrics of the epoch that the line closes */
  add(line: JournalLine): MetricsLine | null {
    if (line.type !== 'generation') this.milliseconds += Math.max(0, line.atMs - (this.#lastMs ?? line.atMs));
    this.#lastMs = line.atMs;
    if (line.type === 'commit') {
      this.steps++;
      this.samples += line.samples;
    }
    if (line.type === 'evaluation') this.#addEvaluation(line);
    if (line.type === 'commit' || line.type === 'evaluation')
      for (const name of line.dropped ?? []) if (!this.dropped.has(name)) this.dropped.set(name, line.step);
    this.#metrics.add(line);
    return 'unit' in line && this.#options.closesEpoch(line.unit) ? this.#metrics.close() : null;
  }

  /** Metrics of an epoch that ended before its time. */
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

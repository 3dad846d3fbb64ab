/**
 * A line of metrics.jsonl for each epoch, derived from the journal's lines and nothing else. Pure: a fold over lines.
 *
 *   terms[t] = sum of t over its samples / their number          loss = sum over t of (sum of weight[t] x t) / number
 */
import type { StudentEvaluation } from '../../shared/figures/figures.js';
import { perSample } from '../../shared/figures/sum-names.js';
import { figuresByTask } from '../../shared/figures/tasks.js';
import {
  gradientShares,
  imitationOf,
  termMeans,
  trainingAccuracy,
  type StepSums,
} from '../../shared/figures/training-sums.js';
import type { Task } from '../../shared/task.js';
import type { CommitLine, EvaluationLine, JournalLine } from '../store/journal.js';

export interface MetricsLine {
  readonly epoch: number;
  /** Training steps committed by its end. */
  readonly step: number;
  readonly samples: number;
  /** The total loss, a mean over samples, taken before each update. */
  readonly loss: number;
  /** Each term's mean over the samples that it applies to, unweighted. */
  readonly terms: Readonly<Record<string, number>>;
  readonly samplesPerSecond: number;
  /** Training accuracy over labelled samples; absent where none was. */
  readonly accuracy?: number;
  readonly eval?: StudentEvaluation;
  /** Teachers that its last step was computed without, since they failed; absent for none. */
  readonly dropped?: readonly string[];
  /** Each term's share of the norms of the terms' gradients in the epoch's first micro-batch; absent for one term. */
  readonly gradientShares?: Readonly<Record<string, number>>;
  /**
   * How student and ensemble compare on the training samples: the share with the same class, and the mean entropy of
   * the ensemble's labels, in nats.
   */
  readonly ensemble?: { readonly agreement: number; readonly entropy: number };
}

/** The recipe's loss terms with the weights that they have in a step. */
export type TermWeights = Readonly<Record<string, number>>;

interface EpochSums extends StepSums {
  readonly epoch: number;
  step: number;
  samples: number;
  /** The losses again, those of each commit times the term's weight in its step. */
  readonly weighted: Record<string, number>;
  milliseconds: number;
  dropped: readonly string[] | undefined;
  eval: StudentEvaluation | undefined;
}

/** Folds journal lines into the metrics of one epoch after the other. */
export class EpochMetrics {
  readonly #task: Task;
  readonly #weightsAt: (step: number) => TermWeights;
  #current: EpochSums | null = null;
  #lastMs: number | null = null;

  constructor(task: Task, weightsAt: (step: number) => TermWeights) {
    this.#task = task;
    this.#weightsAt = weightsAt;
  }

  add(line: JournalLine): void {
    if (line.type === 'commit') this.#addCommit(line);
    else if (line.type === 'evaluation') this.#addEvaluation(line);
    this.#lastMs = line.atMs;
  }

  /** Gives the line of the epoch and begins the next; null when nothing was added since the last `close`. */
  close(): MetricsLine | null {
    const sums = this.#current;
    this.#current = null;
    return sums === null ? null : metricsOf(sums);
  }

  #addCommit(line: CommitLine): void {
    const sums = this.#sumsOf(line.epoch);
    sums.step = line.step + 1;
    sums.samples += line.samples;
    sums.dropped = line.dropped;
    addInto(sums.loss, line.loss);
    addInto(sums.weighted, weighted(line.loss, this.#weightsAt(line.step)));
    addInto(sums.counts, line.counts);
    addInto(sums.sums, line.sums);
    // The journal's first line has nothing before it, and so took no time.
    sums.milliseconds += Math.max(0, line.atMs - (this.#lastMs ?? line.atMs));
  }

  #addEvaluation(line: EvaluationLine): void {
    if (line.subject === 'student') this.#sumsOf(line.epoch).eval = figuresByTask[this.#task].studentFigures(line.sums);
  }

  #sumsOf(epoch: number): EpochSums {
    if (this.#current?.epoch !== epoch) this.#current = emptySums(epoch);
    return this.#current;
  }
}

function emptySums(epoch: number): EpochSums {
  return {
    epoch,
    step: 0,
    samples: 0,
    loss: {},
    weighted: {},
    counts: {},
    sums: {},
    milliseconds: 0,
    dropped: undefined,
    eval: undefined,
  };
}

function metricsOf({ sums, ...epoch }: EpochSums): MetricsLine {
  const accuracy = trainingAccuracy(sums);
  const shares = gradientShares(sums);
  const ensemble = imitationOf(sums);
  return {
    epoch: epoch.epoch,
    step: epoch.step,
    samples: epoch.samples,
    loss: total(termMeans({ loss: epoch.weighted, counts: epoch.counts })),
    terms: termMeans(epoch),
    samplesPerSecond: perSample(epoch.samples * 1000, epoch.milliseconds),
    ...(accuracy === undefined ? {} : { accuracy }),
    ...(epoch.eval === undefined ? {} : { eval: epoch.eval }),
    ...(epoch.dropped === undefined ? {} : { dropped: epoch.dropped }),
    ...(shares === undefined ? {} : { gradientShares: shares }),
    ...(ensemble === undefined ? {} : { ensemble }),
  };
}

/** A run that goes on with another recipe may have lost a term: then its losses of before weigh nothing. */
function weighted(loss: Readonly<Record<string, number>>, weights: TermWeights): Record<string, number> {
  return Object.fromEntries(Object.entries(loss).map(([term, value]) => [term, (weights[term] ?? 0) * value]));
}

function total(means: Readonly<Record<string, number>>): number {
  return Object.values(means).reduce((sum, mean) => sum + mean, 0);
}

/** Adds the values to the sums of the same names; a name that was not there yet begins at zero. */
function addInto(target: Record<string, number>, values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) target[name] = (target[name] ?? 0) + value;
}

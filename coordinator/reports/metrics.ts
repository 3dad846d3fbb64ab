/**
 * metrics.jsonl: a line per epoch, derived from the journal's lines and nothing else. Pure: a fold over lines.
 *
 *   terms[t] = sum of t over its samples / their number          loss = sum over t of (sum of weight[t] x t) / number
 */
import type { CommitLine, EvaluationLine, JournalLine } from '../journal.js';

export interface MetricsLine {
  readonly epoch: number;
  /** Training steps committed by its end. */
  readonly step: number;
  readonly samples: number;
  /** The total, mean over samples, taken before each update. */
  readonly loss: number;
  /** Each term's mean over the samples that it applies to, unweighted. */
  readonly terms: Readonly<Record<string, number>>;
  readonly samplesPerSecond: number;
  /** Training accuracy over labelled samples; absent where none was. */
  readonly accuracy?: number;
  readonly eval?: { readonly accuracy: number; readonly loss: number };
}

export type Weights = Readonly<Record<string, number>>;

interface EpochSums {
  readonly epoch: number;
  step: number;
  samples: number;
  readonly loss: Record<string, number>;
  /** The same, each commit's times the term's weight in its step. */
  readonly weighted: Record<string, number>;
  readonly counts: Record<string, number>;
  readonly sums: Record<string, number>;
  milliseconds: number;
  eval: { accuracy: number; loss: number } | undefined;
}

/** Folds journal lines; `close` gives the line of the epoch and begins the next. */
export class EpochMetrics {
  readonly #weightsAt: (step: number) => Weights;
  #current: EpochSums | null = null;
  #lastMs: number | null = null;

  constructor(weightsAt: (step: number) => Weights) {
    this.#weightsAt = weightsAt;
  }

  add(line: JournalLine): void {
    if (line.type === 'commit') this.#addCommit(line);
    else if (line.type === 'evaluation') this.#addEvaluation(line);
    this.#lastMs = line.atMs;
  }

  /** Null when nothing was added since the last `close`. */
  close(): MetricsLine | null {
    const sums = this.#current;
    this.#current = null;
    return sums === null ? null : metricsOf(sums);
  }

  #addCommit(line: CommitLine): void {
    const sums = this.#of(line.epoch);
    sums.step = line.step + 1;
    sums.samples += line.samples;
    addInto(sums.loss, line.loss);
    const weights = this.#weightsAt(line.step);
    addInto(sums.weighted, Object.fromEntries(Object.entries(line.loss).map(([term, sum]) => [term, (weights[term] ?? 0) * sum])));
    addInto(sums.counts, line.counts);
    addInto(sums.sums, line.sums);
    sums.milliseconds += Math.max(0, line.atMs - (this.#lastMs ?? line.atMs));
  }

  #addEvaluation(line: EvaluationLine): void {
    if (line.subject === 'student') this.#of(line.epoch).eval = evaluationOf(line.sums);
  }

  #of(epoch: number): EpochSums {
    if (this.#current?.epoch !== epoch) {
      this.#current = { epoch, step: 0, samples: 0, loss: {}, weighted: {}, counts: {}, sums: {}, milliseconds: 0, eval: undefined };
    }
    return this.#current;
  }
}

/** Accuracy and mean loss of the student from an evaluation's sums. */
export function evaluationOf(sums: Readonly<Record<string, number>>): { accuracy: number; loss: number } {
  const samples = sums.samples ?? 0;
  return { accuracy: ratio(sums['student.correct'], samples), loss: ratio(sums['student.loss'], samples) };
}

function metricsOf(sums: EpochSums): MetricsLine {
  const terms = termMeans(sums.loss, sums.counts);
  const labelled = sums.sums.labelled ?? 0;
  return {
    epoch: sums.epoch, step: sums.step, samples: sums.samples, loss: total(termMeans(sums.weighted, sums.counts)), terms,
    samplesPerSecond: ratio(sums.samples * 1000, sums.milliseconds),
    ...(labelled > 0 ? { accuracy: ratio(sums.sums.correct, labelled) } : {}),
    ...(sums.eval === undefined ? {} : { eval: sums.eval }),
  };
}

export function termMeans(loss: Readonly<Record<string, number>>, counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(loss).map(([term, sum]) => [term, ratio(sum, counts[term] ?? 0)]));
}

function total(weighted: Readonly<Record<string, number>>): number {
  return Object.values(weighted).reduce((sum, mean) => sum + mean, 0);
}

/** 0 where there is nothing to divide by. */
function ratio(sum: number | undefined, count: number): number {
  return count > 0 ? (sum ?? 0) / count : 0;
}

function addInto(target: Record<string, number>, values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) target[name] = (target[name] ?? 0) + value;
}

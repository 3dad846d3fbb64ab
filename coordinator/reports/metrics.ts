/**
 * metrics.jsonl: a line per epoch, derived from the journal's lines and nothing else. Pure: a fold over lines.
 *
 *   terms[t] = sum of t over its samples / their number          loss = sum over t of (sum of weight[t] x t) / number
 */
import { figuresOf, type Figures } from '../../shared/figures/figures.js';
import type { CommitLine, EvaluationLine, JournalLine } from '../store/journal.js';

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
  readonly eval?: StudentEvaluation;
  /** Teachers that its last step was computed without, since they failed; absent for none. */
  readonly dropped?: readonly string[];
  /** Of the norms of the terms' gradients in the epoch's first micro-batch; with one term, absent. */
  readonly gradientShares?: Readonly<Record<string, number>>;
  /**
   * Of student and ensemble, on the training samples: the share with the same class, and the labels' mean entropy in
   * nats.
   */
  readonly ensemble?: { readonly agreement: number; readonly entropy: number };
}

/** The task's figures, and beside them: */
export interface StudentEvaluation extends Readonly<Figures> {
  /** Mean cross entropy in nats, of classes, or of labels by themselves (their sum); absent for regression. */
  readonly loss?: number;
  /** Of a classifier: expected, over 15 bins (Guo et al. 2017). */
  readonly calibrationError?: number;
  /** Accuracy of each earlier exit; absent where the student has none. */
  readonly exits?: Readonly<Record<string, number>>;
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
  dropped: readonly string[] | undefined;
  eval: StudentEvaluation | undefined;
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
    sums.dropped = line.dropped;
    addInto(sums.loss, line.loss);
    const weights = this.#weightsAt(line.step);
    addInto(
      sums.weighted,
      Object.fromEntries(Object.entries(line.loss).map(([term, sum]) => [term, (weights[term] ?? 0) * sum])),
    );
    addInto(sums.counts, line.counts);
    addInto(sums.sums, line.sums);
    sums.milliseconds += Math.max(0, line.atMs - (this.#lastMs ?? line.atMs));
  }

  #addEvaluation(line: EvaluationLine): void {
    if (line.subject === 'student') this.#of(line.epoch).eval = evaluationOf(line.sums);
  }

  #of(epoch: number): EpochSums {
    if (this.#current?.epoch !== epoch) {
      this.#current = {
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
    return this.#current;
  }
}

/** Of the student, from an evaluation's sums. */
export function evaluationOf(sums: Readonly<Record<string, number>>): StudentEvaluation {
  const samples = sums.samples ?? 0;
  const figures = figuresOf(sums, 'student');
  if (sums['student.squares'] !== undefined) return figures;
  if (sums['student.told'] !== undefined) return { ...figures, loss: ratio(sums['student.loss'], samples) };
  const exits = withPrefix(sums, 'exit.').map(([name, correct]): [string, number] => [
    name.replace(/\.correct$/, ''),
    ratio(correct, samples),
  ]);
  return {
    ...(exits.length === 0 ? {} : { exits: Object.fromEntries(exits) }),
    ...figures,
    accuracy: ratio(sums['student.correct'], samples),
    loss: ratio(sums['student.loss'], samples),
    calibrationError: ratio(
      withPrefix(sums, 'student.calibration.').reduce((gap, [, value]) => gap + Math.abs(value), 0),
      samples,
    ),
  };
}

function metricsOf(sums: EpochSums): MetricsLine {
  const terms = termMeans(sums.loss, sums.counts);
  const labelled = sums.sums.labelled ?? 0;
  return {
    epoch: sums.epoch,
    step: sums.step,
    samples: sums.samples,
    loss: total(termMeans(sums.weighted, sums.counts)),
    terms,
    samplesPerSecond: ratio(sums.samples * 1000, sums.milliseconds),
    ...(labelled > 0 ? { accuracy: ratio(sums.sums.correct, labelled) } : {}),
    ...(sums.eval === undefined ? {} : { eval: sums.eval }),
    ...(sums.dropped === undefined ? {} : { dropped: sums.dropped }),
    ...sharesOf(sums.sums),
    ...(sums.sums['ensemble.samples'] === undefined
      ? {}
      : {
          ensemble: {
            agreement: ratio(sums.sums['ensemble.agree'], sums.sums['ensemble.samples']),
            entropy: ratio(sums.sums['ensemble.entropy'], sums.sums['ensemble.samples']),
          },
        }),
  };
}

function sharesOf(sums: Readonly<Record<string, number>>): Pick<MetricsLine, 'gradientShares'> {
  const norms = withPrefix(sums, 'gradient.');
  const whole = norms.reduce((sum, [, value]) => sum + value, 0);
  return norms.length < 2
    ? {}
    : { gradientShares: Object.fromEntries(norms.map(([term, value]) => [term, ratio(value, whole)])) };
}

/** Entries by the rest of their name. */
function withPrefix(sums: Readonly<Record<string, number>>, prefix: string): [string, number][] {
  return Object.entries(sums).flatMap(([name, value]): [string, number][] =>
    name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [],
  );
}

/** How many times the gradient of another term one may be before it is said. */
const dominance = 100;

/**
 * What is odd about an epoch's terms, a line for each term that it is about.
 * @param names of all terms of the recipe
 */
export function termWarnings(
  { epoch, terms, gradientShares = {} }: MetricsLine,
  names: readonly string[],
): Map<string, string> {
  const shares = Object.entries(gradientShares);
  const [most] = [...shares].sort(([, a], [, b]) => b - a);
  const idle = names
    .filter((term) => terms[term] === undefined)
    .map((term): [string, string] => [
      term,
      `losses.${term} applied to no sample of epoch ${epoch + 1}: it teaches nothing`,
    ]);
  const zero = Object.entries(terms)
    .filter(([, mean]) => mean === 0)
    .map(([term]): [string, string] => [term, `losses.${term} was 0 in all of epoch ${epoch + 1}: it teaches nothing`]);
  const small = shares.filter(([, share]) => share > 0 && most !== undefined && most[1] > dominance * share);
  return new Map([
    ...idle,
    ...zero,
    ...small.map(([term, share]): [string, string] => [
      term,
      `epoch ${epoch + 1}: the gradient of losses.${most?.[0] ?? ''} is ${Math.round((most?.[1] ?? 0) / share)} times that of losses.${term}; other weights may be wanted`,
    ]),
  ]);
}

export function termMeans(
  loss: Readonly<Record<string, number>>,
  counts: Readonly<Record<string, number>>,
): Record<string, number> {
  return Object.fromEntries(Object.entries(loss).map(([term, sum]) => [term, ratio(sum, counts[term] ?? 0)]));
}

function total(weighted: Readonly<Record<string, number>>): number {
  return Object.values(weighted).reduce((sum, mean) => sum + mean, 0);
}

/** 0 where there is nothing to divide by. */
function ratio(sum: number | undefined, count = 0): number {
  return count > 0 ? (sum ?? 0) / count : 0;
}

function addInto(target: Record<string, number>, values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) target[name] = (target[name] ?? 0) + value;
}

/**
 * The total loss of a micro-batch: sum over the recipe's terms of weight x value / divisor, the plain weighted sum. The
 * divisors are the global batch's, so micro-batches add up to its mean. Pure: arrays in, arrays out.
 */
import type { LossesAtStep, TermName } from '../../shared/recipe/loss-schema.js';
import { terms, termsIn } from '../../shared/recipe/terms.js';
import type { Targets } from '../compute.js';
import { argMax } from '../metrics.js';
import { crossEntropy } from './cross-entropy.js';
import { decoupled } from './decoupled.js';
import { dist } from './dist.js';
import { cosineDistance, meanSquare, multiLabel } from './outputs.js';
import { response } from './response.js';
import type { TermInput, TermValues } from './term.js';
import { virtualTeacher } from './virtual-teacher.js';

export interface LossOptions {
  readonly losses: LossesAtStep;
  /** By term, for the whole global batch; 0: the term is 0. */
  readonly divisors: Readonly<Record<string, number>>;
}

export interface TotalLoss {
  /** `<term>` and `<term>.count` for each term that applies; correct and labelled. */
  readonly sums: Record<string, number>;
  /** d total / d logits, [rows x classes]. */
  readonly gradient_BC: Float32Array;
}

/** The terms that have samples in this micro-batch, with their scale; none: the micro-batch has no gradient. */
export function applicableTerms(targets: Targets, { losses, divisors }: LossOptions): ReadonlyMap<TermName, number> {
  const isLabelled = targets.labels.some((label) => label >= 0);
  const applies = (term: TermName): boolean => (terms[term].over === 'samples' || isLabelled) && (terms[term].soft === null || targets.soft !== null);
  return new Map(
    termsIn(losses).flatMap((term): [TermName, number][] => {
      const divisor = divisors[term] ?? 0;
      return divisor > 0 && applies(term) ? [[term, (losses[term]?.weight ?? 0) / divisor]] : [];
    }),
  );
}

export function totalLoss(logits_BC: Float32Array, classes: number, targets: Targets, options: LossOptions): TotalLoss {
  const gradient_BC = new Float64Array(logits_BC.length);
  const sums: Record<string, number> = {};
  for (const [name, scale] of applicableTerms(targets, options)) {
    const { values_B, count } = valuesOf(name, { logits_BC, classes, scale, gradient_BC }, targets, options.losses);
    sums[name] = values_B.reduce((sum, value) => sum + value, 0);
    sums[`${name}.count`] = count;
  }
  return { sums: { ...sums, ...hits(logits_BC, targets.labels, classes) }, gradient_BC: Float32Array.from(gradient_BC) };
}

type TermOf<N extends TermName> = (input: TermInput, targets: Targets, options: NonNullable<LossesAtStep[N]>) => TermValues;

const functions: { readonly [N in TermName]: TermOf<N> } = {
  crossEntropy: (input, { labels }, { labelSmoothing }) => crossEntropy(input, labels, labelSmoothing),
  response: (input, targets, { temperature }) => response(input, softAt(targets, temperature), temperature),
  decoupled: (input, targets, options) => decoupled(input, targets.labels, softAt(targets, options.temperature), options),
  dist: (input, targets, options) => dist(input, softAt(targets, options.temperature), options),
  logitMse: (input, targets) => meanSquare(input, rawLogits(targets)),
  virtualTeacher: (input, { labels }, options) => virtualTeacher(input, labels, options),
  embedding: (input, targets, { distance }) => (distance === 'mse' ? meanSquare : cosineDistance)(input, rawLogits(targets)),
  multiLabel: (input, targets, { temperature }) => multiLabel(input, rawLogits(targets), temperature),
};

function valuesOf<N extends TermName>(name: N, input: TermInput, targets: Targets, losses: LossesAtStep): TermValues {
  const options = losses[name];
  if (options === undefined) throw new Error(`no term ${name}`);
  return functions[name](input, targets, options);
}

function softAt({ soft }: Targets, temperature: number): Float32Array {
  if (soft === null) throw new Error('no soft labels');
  return soft.at(temperature);
}

function rawLogits({ soft }: Targets): Float32Array {
  if (soft === null) throw new Error('no soft labels');
  return soft.logits();
}

/** Labelled samples, and those among them whose largest logit is the label's. */
function hits(logits_BC: Float32Array, labels_B: Int32Array, classes: number): { labelled: number; correct: number } {
  let [labelled, correct] = [0, 0];
  labels_B.forEach((label, row) => {
    if (label < 0) return;
    labelled++;
    if (argMax(logits_BC, row * classes, classes) === label) correct++;
  });
  return { labelled, correct };
}

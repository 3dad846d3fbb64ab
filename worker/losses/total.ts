/**
 * The total loss of a micro-batch: sum over the recipe's terms of weight x value / divisor, the plain weighted sum. The
 * divisors are the global batch's, so micro-batches add up to its mean. Pure: arrays in, arrays out.
 */
import type { Recipe } from '../../shared/recipe/schema.js';
import type { Targets } from '../compute.js';
import { argMax } from '../metrics.js';
import { crossEntropy } from './cross-entropy.js';
import { response } from './response.js';
import type { TermInput, TermValues } from './term.js';

export interface LossOptions {
  readonly losses: Recipe['losses'];
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
export function applicableTerms(targets: Targets, { losses, divisors }: LossOptions): ReadonlyMap<string, number> {
  const terms = new Map<string, number>();
  const offer = (name: 'crossEntropy' | 'response', applies: boolean): void => {
    const term = losses[name];
    const divisor = divisors[name] ?? 0;
    if (term !== undefined && divisor > 0 && applies) terms.set(name, term.weight / divisor);
  };
  offer('crossEntropy', targets.labels.some((label) => label >= 0));
  offer('response', targets.softLabels !== null && targets.softLabels.length > 0);
  return terms;
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

function valuesOf(name: string, input: TermInput, targets: Targets, losses: Recipe['losses']): TermValues {
  if (name === 'crossEntropy') return crossEntropy(input, targets.labels, losses.crossEntropy?.labelSmoothing ?? 0);
  return response(input, targets.softLabels ?? new Float32Array(0), losses.response?.temperature ?? 1);
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

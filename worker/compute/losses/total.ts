/**
 * The total loss of a micro-batch: sum over the recipe's terms of weight x value / divisor, the plain weighted sum. The
 * divisors are the global batch's, so micro-batches add up to its mean. Pure: arrays in, arrays out.
 */
import { hitsOf } from '../../../shared/figures/classification.js';
import { termSums, trainingHitSums } from '../../../shared/figures/training-sums.js';
import { mustAt } from '../../../shared/must.js';
import type { LossesAtStep } from '../../../shared/recipe/schedules.js';
import type { Sums } from '../../../shared/replica/reduction/contribution.js';
import type { Targets } from '../contract.js';
import { againstEnsemble } from './diagnostics.js';
import { partsOf, softAt, type LossContext, type Output, type PairActivations, type ScaledTerm } from './parts.js';
import type { PluginLosses } from './plugin.js';

/** What a step says of its losses. */
export interface StepLosses {
  readonly losses: LossesAtStep;
  /** By term, for the whole global batch; a term with divisor 0, or without one, has no sample in it and is 0. */
  readonly divisors: Readonly<Record<string, number>>;
  /** The plug-ins that the recipe names; absent: it names none. */
  readonly plugins?: PluginLosses;
}

/** What the student gives for a micro-batch. */
export interface LossOutputs {
  /** Its answer, [rows x classes]. */
  readonly logits_BC: Float32Array;
  readonly classes: number;
  /** The exits before the last one, in the model's order: [rows x classes] each; absent: it has none. */
  readonly exits?: readonly Float32Array[];
  /** Absent: no term compares taps. */
  readonly pairs?: PairActivations;
}

export interface TotalLoss {
  /** By the names of training-sums.ts: those of each term that applies, hits, and those of `againstEnsemble`. */
  readonly sums: Sums;
  /** d total / d logits, [rows x classes]. */
  readonly gradient_BC: Float32Array;
  /** The same for each earlier exit; null without a term on exits. */
  readonly exitGradients: readonly (Float32Array | null)[];
  /** d total / d student's activation, by the pair's key. */
  readonly pairGradients: ReadonlyMap<string, Float32Array>;
}

/** The terms that have samples in this micro-batch; where there are none, the micro-batch has no gradient. */
export function applicableTerms(targets: Targets, { losses, divisors }: StepLosses): ScaledTerm[] {
  const isLabelled = targets.labels.some((label) => label >= 0);
  return losses.flatMap((term) => {
    const divisor = divisors[term.name] ?? 0;
    const applies = (term.over === 'samples' || isLabelled) && (term.soft === null || targets.soft !== null);
    return divisor > 0 && applies ? [{ term, scale: term.weight / divisor }] : [];
  });
}

/** Value and gradients of the total loss of a micro-batch. */
export function totalLoss(
  { logits_BC, classes, exits = [], pairs = new Map() }: LossOutputs,
  targets: Targets,
  step: StepLosses,
): TotalLoss {
  const outputOf = (values: Float32Array): Output => ({
    logits_BC: values,
    gradient_BC: new Float64Array(values.length),
  });
  const context: LossContext = {
    targets,
    classes,
    answer: outputOf(logits_BC),
    exits: exits.map(outputOf),
    pairs,
    pairGradients: new Map(),
    plugins: step.plugins ?? new Map(),
  };
  const applicable = applicableTerms(targets, step);
  const sums: Record<string, number> = {};
  for (const scaled of applicable) {
    const { term } = scaled;
    const parts = partsOf(scaled, context);
    const value = parts.reduce((total, { values_B }) => total + values_B.reduce((sum, one) => sum + one, 0), 0);
    // Every part of a term has the same count. One on exits of a student that has none applies to nothing.
    const count = parts.length === 0 ? 0 : mustAt(parts, 0, 'part').count;
    Object.assign(sums, termSums(term.name, value, count));
  }
  const usesExits = applicable.some(({ term }) => term.on === 'exits');
  return {
    sums: { ...sums, ...comparisonSums({ logits_BC, classes }, targets, step.losses) },
    gradient_BC: Float32Array.from(context.answer.gradient_BC),
    exitGradients: context.exits.map(({ gradient_BC }) => (usesExits ? Float32Array.from(gradient_BC) : null)),
    pairGradients: context.pairGradients,
  };
}

/** What a micro-batch tells beside its losses: hits of its labels, and how student and ensemble compare. */
export function comparisonSums(
  { logits_BC, classes }: Pick<LossOutputs, 'logits_BC' | 'classes'>,
  targets: Targets,
  losses: LossesAtStep,
): Sums {
  return {
    ...(targets.vectors === undefined ? trainingHitSums(hitsOf(logits_BC, targets.labels, classes)) : {}),
    ...imitation({ logits_BC, classes }, targets, losses),
  };
}

/** How student and ensemble compare at the temperature of the first term on a mixture; nothing without one. */
function imitation(
  { logits_BC, classes }: Pick<LossOutputs, 'logits_BC' | 'classes'>,
  targets: Targets,
  losses: LossesAtStep,
): Sums {
  const term = losses.find(({ soft }) => soft === 'mixture');
  if (targets.soft === null || term === undefined) return {};
  return againstEnsemble({
    logits_BC,
    labels_BC: softAt(targets, term.temperature),
    classes,
    weights_B: targets.isSequence === true ? targets.weights : undefined,
  });
}

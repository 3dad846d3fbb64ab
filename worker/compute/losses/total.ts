/**
 * The total loss of a micro-batch: sum over the recipe's terms of weight x value / divisor, the plain weighted sum. The
 * divisors are the global batch's, so micro-batches add up to its mean. Pure: arrays in, arrays out.
 */
import type { LossesAtStep, LossName } from '../../../shared/recipe/loss-schema.js';
import { needsOf, optionsOf, termsIn } from '../../../shared/recipe/terms.js';
import type { Targets } from '../contract.js';
import { hitsOf } from '../../../shared/figures/classification.js';
import { termSums, trainingHitSums } from '../../../shared/figures/training-sums.js';
import type { Sums } from '../../../shared/replica/reduction/contribution.js';
import { againstEnsemble } from './diagnostics.js';
import { partsOf, softAt, type LossContext, type Output, type PairActivations } from './functions.js';
import type { PluginLosses } from './plugin.js';

export interface LossOptions {
  readonly losses: LossesAtStep;
  /** By term, for the whole global batch; 0: the term is 0. */
  readonly divisors: Readonly<Record<string, number>>;
}

/** What a student gives beside its logits, and the plug-ins that the recipe names. */
export interface Beside {
  /** Of the exits before the last one, in the model's order: [rows x classes] each. */
  readonly exits?: readonly Float32Array[];
  readonly pairs?: PairActivations;
  readonly plugins?: PluginLosses;
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

/** The terms that have samples in this micro-batch, with their scale; none: the micro-batch has no gradient. */
export function applicableTerms(targets: Targets, { losses, divisors }: LossOptions): ReadonlyMap<LossName, number> {
  const isLabelled = targets.labels.some((label) => label >= 0);
  const applies = (term: LossName): boolean => {
    const { over, soft } = needsOf(losses, term);
    return (over === 'samples' || isLabelled) && (soft === null || targets.soft !== null);
  };
  return new Map(
    termsIn(losses).flatMap((term): [LossName, number][] => {
      const divisor = divisors[term] ?? 0;
      return divisor > 0 && applies(term) ? [[term, (optionsOf(losses, term)?.weight ?? 0) / divisor]] : [];
    }),
  );
}

export function totalLoss(
  logits_BC: Float32Array,
  classes: number,
  targets: Targets,
  options: LossOptions,
  { exits = [], pairs = new Map(), plugins = new Map() }: Beside = {},
): TotalLoss {
  const { losses } = options;
  const outputOf = (values: Float32Array): Output => ({
    logits_BC: values,
    gradient_BC: new Float64Array(values.length),
  });
  const context: LossContext = {
    losses,
    targets,
    classes,
    final: outputOf(logits_BC),
    exits: exits.map(outputOf),
    pairs,
    pairGradients: new Map(),
    plugins,
  };
  const applicable = applicableTerms(targets, options);
  const sums: Record<string, number> = {};
  for (const [name, scale] of applicable) {
    const parts = partsOf(name, scale, context);
    const value = parts.reduce((total, { values_B }) => total + values_B.reduce((sum, one) => sum + one, 0), 0);
    Object.assign(sums, termSums(name, value, parts[0]?.count ?? 0));
  }
  const usesExits = [...applicable.keys()].some((name) => needsOf(losses, name).exits);
  return {
    sums: {
      ...sums,
      ...(targets.vectors === undefined ? trainingHitSums(hitsOf(logits_BC, targets.labels, classes)) : {}),
      ...imitation(logits_BC, classes, targets, losses),
    },
    gradient_BC: Float32Array.from(context.final.gradient_BC),
    exitGradients: context.exits.map(({ gradient_BC }) => (usesExits ? Float32Array.from(gradient_BC) : null)),
    pairGradients: context.pairGradients,
  };
}

/** Of the first term on a mixture, at its temperature; nothing without one. */
function imitation(logits_BC: Float32Array, classes: number, targets: Targets, losses: LossesAtStep): Sums {
  const term = termsIn(losses).find((name) => needsOf(losses, name).soft === 'mixture');
  const temperature = term === undefined ? undefined : optionsOf(losses, term)?.temperature;
  return targets.soft === null || temperature === undefined
    ? {}
    : againstEnsemble(
        logits_BC,
        softAt(targets, temperature),
        classes,
        targets.isSequence === true ? targets.weights : undefined,
      );
}

/**
 * The total loss of a micro-batch: sum over the recipe's terms of weight x value / divisor, the plain weighted sum. The
 * divisors are the global batch's, so micro-batches add up to its mean. Pure: arrays in, arrays out.
 */
import type { LossesAtStep, TermName } from '../../shared/recipe/loss-schema.js';
import { terms, termsIn, type PairTerm } from '../../shared/recipe/terms.js';
import type { Targets } from '../compute.js';
import { argMax } from '../metrics.js';
import type { Activation } from './activation.js';
import { attention } from './attention.js';
import { crossEntropy } from './cross-entropy.js';
import { decoupled } from './decoupled.js';
import { againstEnsemble } from './diagnostics.js';
import { dist } from './dist.js';
import { features } from './features.js';
import { cosineDistance, meanSquare, multiLabel } from './outputs.js';
import { correlation, probabilistic, relational, similarity } from './relations.js';
import { response } from './response.js';
import { selectivity } from './selectivity.js';
import { logSoftmax } from './softmax.js';
import type { PairInput, TermInput, TermValues } from './term.js';
import { virtualTeacher } from './virtual-teacher.js';

export interface LossOptions {
  readonly losses: LossesAtStep;
  /** By term, for the whole global batch; 0: the term is 0. */
  readonly divisors: Readonly<Record<string, number>>;
}

/** A pair's activations: the student's after its adapter. By the pair's key. */
export type PairActivations = ReadonlyMap<string, { readonly student: Activation; readonly teacher: Activation }>;

/** What a student gives beside its logits. */
export interface InnerOutputs {
  /** Of the exits before the last one, in the model's order: [rows x classes] each. */
  readonly exits: readonly Float32Array[];
  readonly pairs: PairActivations;
}

export interface TotalLoss {
  /** `<term>` and `<term>.count` for each term that applies; correct and labelled; those of `againstEnsemble`. */
  readonly sums: Record<string, number>;
  /** d total / d logits, [rows x classes]. */
  readonly gradient_BC: Float32Array;
  /** The same for each earlier exit; null without a term on exits. */
  readonly exitGradients: readonly (Float32Array | null)[];
  /** d total / d student's activation, by the pair's key. */
  readonly pairGradients: ReadonlyMap<string, Float32Array>;
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

export function totalLoss(logits_BC: Float32Array, classes: number, targets: Targets, options: LossOptions, inner: InnerOutputs = { exits: [], pairs: new Map() }): TotalLoss {
  const gradient_BC = new Float64Array(logits_BC.length);
  const sums: Record<string, number> = {};
  const pairGradients = new Map<string, Float32Array>();
  const applicable = applicableTerms(targets, options);
  const exits = inner.exits.map((exit_BC) => ({ logits_BC: exit_BC, gradient_BC: new Float64Array(exit_BC.length) }));
  for (const [name, scale] of applicable) {
    const { losses } = options;
    const parts = isOnPairs(name) ? onPairs(name, inner.pairs, { rows: targets.labels.length, scale, losses, gradients: pairGradients })
      : isOnExits(name) ? exits.map((exit) => onExit(name, { ...exit, classes, scale }, { final_BC: logits_BC, targets, losses }))
        : [valuesOf(name, { logits_BC, classes, scale, gradient_BC }, targets, losses)];
    sums[name] = parts.reduce((total, { values_B }) => total + values_B.reduce((sum, value) => sum + value, 0), 0);
    sums[`${name}.count`] = parts[0]?.count ?? 0;
  }
  return { sums: { ...sums, ...hits(logits_BC, targets.labels, classes), ...imitation(logits_BC, classes, targets, options.losses) }, gradient_BC: Float32Array.from(gradient_BC), exitGradients: [...applicable.keys()].some(isOnExits) ? exits.map((exit) => Float32Array.from(exit.gradient_BC)) : exits.map(() => null), pairGradients };
}

type OnPairs = PairTerm | 'selfDistillation';
type OnExits = 'exitCrossEntropy' | 'exitResponse';
type OnLogits = Exclude<TermName, OnPairs | OnExits>;
type TermOf<N extends TermName> = (input: TermInput, targets: Targets, options: NonNullable<LossesAtStep[N]>) => TermValues;

const functions: { readonly [N in OnLogits]: TermOf<N> } = {
  crossEntropy: (input, { labels }, { labelSmoothing }) => crossEntropy(input, labels, labelSmoothing),
  response: (input, targets, { temperature }) => response(input, softAt(targets, temperature), temperature),
  decoupled: (input, targets, options) => decoupled(input, targets.labels, softAt(targets, options.temperature), options),
  dist: (input, targets, options) => dist(input, softAt(targets, options.temperature), options),
  logitMse: (input, targets) => meanSquare(input, rawLogits(targets)),
  virtualTeacher: (input, { labels }, options) => virtualTeacher(input, labels, options),
  embedding: (input, targets, { distance }) => (distance === 'mse' ? meanSquare : cosineDistance)(input, rawLogits(targets)),
  multiLabel: (input, targets, { temperature }) => multiLabel(input, rawLogits(targets), temperature),
};

const pairFunctions: { readonly [N in OnPairs]: (input: PairInput, options: NonNullable<LossesAtStep[N]>) => TermValues } = {
  features: (input, { distance }) => features(input, distance),
  attention: (input, { normalize }) => attention(input, normalize),
  selfDistillation: (input, { distance }) => features(input, distance),
  relational,
  similarity,
  probabilistic,
  selectivity,
  correlation,
};

interface ExitContext {
  /** What the last exit gives: a constant. */
  readonly final_BC: Float32Array;
  readonly targets: Targets;
  readonly losses: LossesAtStep;
}

/** BYOT (Zhang et al. 2019): each earlier exit learns from the labels and from the last exit, as from a teacher. */
const exitFunctions: { readonly [N in OnExits]: (input: TermInput, context: ExitContext, options: NonNullable<LossesAtStep[N]>) => TermValues } = {
  exitCrossEntropy: (input, { targets }, { labelSmoothing }) => crossEntropy(input, targets.labels, labelSmoothing),
  exitResponse: (input, { final_BC }, { temperature }) => response(input, logSoftmax(final_BC, input.classes, temperature), temperature),
};

function isOnExits(name: TermName): name is OnExits {
  return name in exitFunctions;
}

function onExit<N extends OnExits>(name: N, input: TermInput, context: ExitContext): TermValues {
  const options = context.losses[name];
  if (options === undefined) throw new Error(`no term ${name}`);
  return exitFunctions[name](input, context, options);
}

function isOnPairs(name: TermName): name is OnPairs {
  return name in pairFunctions;
}

interface PairContext {
  readonly rows: number;
  readonly scale: number;
  readonly losses: LossesAtStep;
  readonly gradients: Map<string, Float32Array>;
}

/** The term's pairs, in the recipe's order: the sum of their values is the term's. */
function onPairs<N extends OnPairs>(name: N, pairs: PairActivations, { rows, scale, losses, gradients }: PairContext): TermValues[] {
  const options = losses[name];
  if (options === undefined) throw new Error(`no term ${name}`);
  return [...pairs].filter(([key]) => key.startsWith(`${name}/`)).map(([key, { student, teacher }]) => {
    const gradient = new Float64Array(student.values.length);
    const values = pairFunctions[name]({ student, teacher, rows, scale, gradient }, options);
    gradients.set(key, Float32Array.from(gradient));
    return values;
  });
}

function valuesOf<N extends OnLogits>(name: N, input: TermInput, targets: Targets, losses: LossesAtStep): TermValues {
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

/** Of the first term on a mixture, at its temperature; nothing without one. */
function imitation(logits_BC: Float32Array, classes: number, targets: Targets, losses: LossesAtStep): Record<string, number> {
  const term = termsIn(losses).find((name) => terms[name].soft === 'mixture');
  const options = term === undefined ? undefined : losses[term];
  if (targets.soft === null || options === undefined || !('temperature' in options) || typeof options.temperature !== 'number') return {};
  return againstEnsemble(logits_BC, softAt(targets, options.temperature), classes);
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

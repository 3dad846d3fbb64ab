/**
 * Which function computes which of the recipe's losses: on the student's logits, on pairs of activations, on its
 * earlier exits, or a plug-in. Pure: arrays in, arrays out.
 */
import type { LossesAtStep, LossName, TermName } from '../../../shared/recipe/loss-schema.js';
import { isTerm, needsOf, pluginOf, type PairTerm } from '../../../shared/recipe/terms.js';
import type { Targets } from '../contract.js';
import type { Activation } from '../../../shared/losses/math/activation.js';
import { attention } from '../../../shared/losses/attention.js';
import { crossEntropy } from '../../../shared/losses/cross-entropy.js';
import { decoupled } from '../../../shared/losses/decoupled.js';
import { dist } from '../../../shared/losses/dist.js';
import { features } from '../../../shared/losses/features.js';
import { cosineDistance, meanSquare, multiLabel } from '../../../shared/losses/outputs.js';
import { pluginOnLogits, pluginOnPair, type PluginLosses } from './plugin.js';
import { correlation, probabilistic, relational, similarity } from '../../../shared/losses/relations.js';
import { response } from '../../../shared/losses/response.js';
import { selectivity } from '../../../shared/losses/selectivity.js';
import { logSoftmax } from '../../../shared/losses/math/softmax.js';
import type { PairInput, TermInput, TermValues } from '../../../shared/losses/term.js';
import { binaryCrossEntropy, regression, type TargetVectors } from '../../../shared/losses/targets.js';
import { virtualTeacher } from '../../../shared/losses/virtual-teacher.js';

/** A pair's activations: the student's after its adapter. By the pair's key. */
export type PairActivations = ReadonlyMap<string, { readonly student: Activation; readonly teacher: Activation }>;

/** An output of the student, and where the gradient with respect to it is added: [rows x classes] each. */
export type Output = Pick<TermInput, 'logits_BC' | 'gradient_BC'>;

export interface LossContext {
  readonly losses: LossesAtStep;
  readonly targets: Targets;
  readonly classes: number;
  /** What the student answers. */
  readonly final: Output;
  /** The exits before it. */
  readonly exits: readonly Output[];
  readonly pairs: PairActivations;
  /** Gets the gradient with respect to each pair's student side, by the pair's key. */
  readonly pairGradients: Map<string, Float32Array>;
  readonly plugins: PluginLosses;
}

/**
 * A loss's values, part by part (a pair, an exit; else there is one); `scale` x its gradients is added to the
 * context's. One that sees labels, where rows are mixed, is that of their own labels and that of the others', by their
 * shares. Target vectors are mixed already: it is that of the mixture, by both weights.
 */
export function partsOf(name: LossName, scale: number, context: LossContext): TermValues[] {
  const { losses, targets } = context;
  const { mixed, weights } = targets;
  if (mixed === undefined) return weighted(name, scale, context, weights);
  const { share } = mixed;
  const blend = (own: number, other: number): number => share * own + (1 - share) * other;
  // A plug-in is given the labels, whatever it is over.
  if (needsOf(losses, name).over === 'samples' && pluginOf(name) === null)
    return weighted(
      name,
      scale,
      context,
      weights?.map((weight, row) => blend(weight, mixed.weights?.[row] ?? 1)),
    );
  const others = weighted(
    name,
    (1 - share) * scale,
    { ...context, targets: { ...targets, labels: mixed.labels } },
    mixed.weights,
  );
  return weighted(name, share * scale, context, weights).map(({ values_B, count }, i) => ({
    values_B: values_B.map((value, row) => blend(value, others[i]?.values_B[row] ?? 0)),
    count,
  }));
}

/** Values and gradients times the weights of their rows; the count is the weights' sum. */
function weighted(
  name: LossName,
  scale: number,
  context: LossContext,
  weights: Float32Array | undefined,
): TermValues[] {
  if (weights === undefined) return partsFor(name, scale, context);
  const {
    losses,
    targets: { labels },
  } = context;
  const apart = (output: Output): Output => ({ ...output, gradient_BC: new Float64Array(output.gradient_BC.length) });
  const own = {
    ...context,
    final: apart(context.final),
    exits: context.exits.map(apart),
    pairGradients: new Map<string, Float32Array>(),
  };
  const parts = partsFor(name, scale, own);
  addRows(own.final.gradient_BC, weights, context.final.gradient_BC);
  own.exits.forEach((exit, i) => addRows(exit.gradient_BC, weights, context.exits[i]?.gradient_BC ?? exit.gradient_BC));
  for (const [key, gradient] of own.pairGradients) {
    const into = context.pairGradients.get(key) ?? new Float32Array(gradient.length);
    addRows(gradient, weights, into);
    context.pairGradients.set(key, into);
  }
  const isOverLabels = needsOf(losses, name).over === 'labelled';
  const count = weights.reduce((sum, weight, row) => (isOverLabels && (labels[row] ?? -1) < 0 ? sum : sum + weight), 0);
  return parts.map(({ values_B }) => ({ values_B: values_B.map((value, row) => value * (weights[row] ?? 1)), count }));
}

function addRows(values: Float32Array | Float64Array, weights: Float32Array, into: Float32Array | Float64Array): void {
  const size = values.length / weights.length;
  weights.forEach((weight, row) => {
    for (let at = row * size; at < (row + 1) * size; at++) into[at] = (into[at] ?? 0) + weight * (values[at] ?? 0);
  });
}

function partsFor(name: LossName, scale: number, context: LossContext): TermValues[] {
  const { classes, final, exits } = context;
  if (!isTerm(name)) return partsOfPlugin(name, scale, context);
  if (isOnPairs(name))
    return onPairs(name, context, (input) => onPair(name, given(name, context.losses), input), scale);
  if (isOnExits(name))
    return exits.map((exit) => onExit(name, given(name, context.losses), { ...exit, classes, scale }, context));
  return isOnLogits(name) ? [onLogits(name, given(name, context.losses), { ...final, classes, scale }, context)] : [];
}

type OnPairs = PairTerm | 'selfDistillation';
type OnExits = 'exitCrossEntropy' | 'exitResponse';
type OnLogits = Exclude<TermName, OnPairs | OnExits>;
type Options<N extends TermName> = NonNullable<LossesAtStep[N]>;

const logitFunctions: {
  readonly [N in OnLogits]: (input: TermInput, targets: Targets, options: Options<N>) => TermValues;
} = {
  crossEntropy: (input, { labels }, { labelSmoothing }) => crossEntropy(input, labels, labelSmoothing),
  regression: (input, targets, options) => regression(input, vectorsOf(targets), options),
  binaryCrossEntropy: (input, targets) => binaryCrossEntropy(input, vectorsOf(targets)),
  response: (input, targets, { temperature }) => response(input, softAt(targets, temperature), temperature),
  decoupled: (input, targets, options) =>
    decoupled(input, targets.labels, softAt(targets, options.temperature), options),
  dist: (input, targets, options) => dist(input, softAt(targets, options.temperature), options),
  logitMse: (input, targets) => meanSquare(input, rawLogits(targets)),
  virtualTeacher: (input, { labels }, options) => virtualTeacher(input, labels, options),
  embedding: (input, targets, { distance }) =>
    (distance === 'mse' ? meanSquare : cosineDistance)(input, rawLogits(targets)),
  multiLabel: (input, targets, { temperature }) => multiLabel(input, rawLogits(targets), temperature),
};

const pairFunctions: { readonly [N in OnPairs]: (input: PairInput, options: Options<N>) => TermValues } = {
  features: (input, { distance }) => features(input, distance),
  attention: (input, { normalize }) => attention(input, normalize),
  selfDistillation: (input, { distance }) => features(input, distance),
  relational,
  similarity,
  probabilistic,
  selectivity,
  correlation,
};

/** BYOT (Zhang et al. 2019): each earlier exit learns from the labels and from the last exit, as from a teacher. */
const exitFunctions: {
  readonly [N in OnExits]: (input: TermInput, context: LossContext, options: Options<N>) => TermValues;
} = {
  exitCrossEntropy: (input, { targets }, { labelSmoothing }) => crossEntropy(input, targets.labels, labelSmoothing),
  exitResponse: (input, { final }, { temperature }) =>
    response(input, logSoftmax(final.logits_BC, input.classes, temperature), temperature),
};

function isOnPairs(name: TermName): name is OnPairs {
  return name in pairFunctions;
}

function isOnExits(name: TermName): name is OnExits {
  return name in exitFunctions;
}

function isOnLogits(name: TermName): name is OnLogits {
  return name in logitFunctions;
}

function onLogits<N extends OnLogits>(
  name: N,
  options: Options<N>,
  input: TermInput,
  { targets }: LossContext,
): TermValues {
  return logitFunctions[name](input, targets, options);
}

function onExit<N extends OnExits>(name: N, options: Options<N>, input: TermInput, context: LossContext): TermValues {
  return exitFunctions[name](input, context, options);
}

function onPair<N extends OnPairs>(name: N, options: Options<N>, input: PairInput): TermValues {
  return pairFunctions[name](input, options);
}

/** The loss's pairs, in the recipe's order. */
function onPairs(
  name: LossName,
  { pairs, pairGradients, targets }: LossContext,
  compute: (input: PairInput) => TermValues,
  scale: number,
): TermValues[] {
  return [...pairs]
    .filter(([key]) => key.startsWith(`${name}/`))
    .map(([key, { student, teacher }]) => {
      const gradient = new Float64Array(student.values.length);
      gradient.set(pairGradients.get(key) ?? []);
      const values = compute({ student, teacher, rows: targets.labels.length, scale, gradient });
      pairGradients.set(key, Float32Array.from(gradient));
      return values;
    });
}

function partsOfPlugin(name: LossName, scale: number, context: LossContext): TermValues[] {
  const { losses, targets, classes, final, plugins } = context;
  const own = pluginOf(name) ?? '';
  const [options, loss] = [losses.plugins?.[own], plugins.get(own)];
  if (options === undefined || loss === undefined) throw new Error(`no plug-in ${own}`);
  const call = { name: own, loss, labels: targets.labels, targets: targets.vectors ?? null, options };
  if (options.pairs !== undefined) return onPairs(name, context, (input) => pluginOnPair(input, call), scale);
  const soft =
    options.soft === undefined
      ? null
      : options.soft === 'mixture'
        ? softAt(targets, options.temperature)
        : rawLogits(targets);
  return [pluginOnLogits({ ...final, classes, scale }, soft, call)];
}

function given<N extends TermName>(name: N, losses: LossesAtStep): Options<N> {
  const options = losses[name];
  if (options === undefined) throw new Error(`no term ${name}`);
  return options;
}

export function softAt({ soft }: Targets, temperature: number): Float32Array {
  if (soft === null) throw new Error('no soft labels');
  return soft.at(temperature);
}

function vectorsOf({ labels, vectors }: Targets): TargetVectors {
  if (vectors === undefined) throw new Error('no target vectors');
  return { labels_B: labels, vectors_BC: vectors };
}

function rawLogits({ soft }: Targets): Float32Array {
  if (soft === null) throw new Error('no soft labels');
  return soft.logits();
}

/**
 * From a micro-batch's outputs, activations and targets to calls of a term's function: one for the student's answer, or
 * one for each earlier exit or pair. Sample weights and mixed rows are taken care of here, so that no loss knows of
 * them. Pure: arrays in, arrays out.
 */
import type { Activation } from '../../../shared/losses/math/activation.js';
import type { LossValues, OutputInput, PairInput } from '../../../shared/losses/math/inputs.js';
import { logSoftmax } from '../../../shared/losses/math/softmax.js';
import type { LossTarget } from '../../../shared/losses/term.js';
import { must, mustAt } from '../../../shared/must.js';
import type { TermAtStep } from '../../../shared/recipe/schedules.js';
import type { Targets } from '../contract.js';
import { pluginOnLogits, pluginOnPair, type PluginAtStep, type PluginLosses } from './plugin.js';

/** The activations of each pair by the pair's key: the student's behind its adapter. */
export type PairActivations = ReadonlyMap<string, { readonly student: Activation; readonly teacher: Activation }>;

/** An output of the student, and where the gradient with respect to it is added: [rows x classes] each. */
export type Output = Pick<OutputInput, 'logits_BC' | 'gradient_BC'>;

/** A term of the step, and what its rows' values are multiplied by in the total: weight / divisor. */
export interface ScaledTerm {
  readonly term: TermAtStep;
  readonly scale: number;
}

export interface LossContext {
  readonly targets: Targets;
  readonly classes: number;
  /** What the student answers: its last exit. */
  readonly answer: Output;
  /** The exits before it. */
  readonly exits: readonly Output[];
  readonly pairs: PairActivations;
  /** Gets the gradient with respect to each pair's student side, by the pair's key. */
  readonly pairGradients: Map<string, Float32Array>;
  readonly plugins: PluginLosses;
}

/**
 * The values of a term, part by part (a pair, an exit; else there is one part); `scale` x its gradients is added to the
 * context's. Where rows are mixed, a term that sees labels is taken under the rows' own labels and under the others',
 * and both are added by their shares. Target vectors are mixed already, so such a term is that of the mixture, and
 * every row has both weights.
 */
export function partsOf(scaled: ScaledTerm, context: LossContext): LossValues[] {
  const { term, scale } = scaled;
  const { targets } = context;
  const { mixed, weights } = targets;
  if (mixed === undefined) return weighted(scaled, context, weights);
  const { share } = mixed;
  const blend = (own: number, other: number): number => share * own + (1 - share) * other;
  // A plug-in is given the labels, whatever samples it is over.
  if (term.over === 'samples' && term.on !== 'plugin') {
    const both = weights?.map((weight, row) => blend(weight, mixed.weights?.[row] ?? 1));
    return weighted(scaled, context, both);
  }
  const underOthers = { ...context, targets: { ...targets, labels: mixed.labels } };
  const others = weighted({ term, scale: (1 - share) * scale }, underOthers, mixed.weights);
  const own = weighted({ term, scale: share * scale }, context, weights);
  return own.map(({ values_B, count }, part) => {
    const other = mustAt(others, part, 'part under the other labels');
    return { values_B: values_B.map((value, row) => blend(value, other.values_B[row] ?? 0)), count };
  });
}

/** Values and gradients times the weights of their rows; the count is the sum of the weights. */
function weighted(scaled: ScaledTerm, context: LossContext, weights: Float32Array | undefined): LossValues[] {
  if (weights === undefined) return partsFor(scaled, context);
  const { labels } = context.targets;
  const apart = (output: Output): Output => ({ ...output, gradient_BC: new Float64Array(output.gradient_BC.length) });
  const exits = context.exits.map((exit) => ({ exit, own: apart(exit) }));
  const own = {
    ...context,
    answer: apart(context.answer),
    exits: exits.map((both) => both.own),
    pairGradients: new Map<string, Float32Array>(),
  };
  const parts = partsFor(scaled, own);
  addRows(own.answer.gradient_BC, weights, context.answer.gradient_BC);
  for (const both of exits) addRows(both.own.gradient_BC, weights, both.exit.gradient_BC);
  for (const [key, gradient] of own.pairGradients) {
    const into = context.pairGradients.get(key) ?? new Float32Array(gradient.length);
    addRows(gradient, weights, into);
    context.pairGradients.set(key, into);
  }
  const isOverLabels = scaled.term.over === 'labelled';
  const count = weights.reduce((sum, weight, row) => (isOverLabels && (labels[row] ?? -1) < 0 ? sum : sum + weight), 0);
  return parts.map(({ values_B }) => ({ values_B: values_B.map((value, row) => value * (weights[row] ?? 1)), count }));
}

/** Adds the values times the weights of their rows. */
function addRows(values: Float32Array | Float64Array, weights: Float32Array, into: Float32Array | Float64Array): void {
  const size = values.length / weights.length;
  weights.forEach((weight, row) => {
    for (let at = row * size; at < (row + 1) * size; at++) into[at] = (into[at] ?? 0) + weight * (values[at] ?? 0);
  });
}

/** One value for the answer, or one for each exit or pair, as if every row had the weight 1. */
function partsFor({ term, scale }: ScaledTerm, context: LossContext): LossValues[] {
  const { targets, classes, answer, exits } = context;
  switch (term.on) {
    case 'answer':
    case 'exits': {
      const { temperature } = term;
      const target_BC = targetOf(term.target, temperature, context);
      const outputs = term.on === 'answer' ? [answer] : exits;
      return outputs.map((output) =>
        term.compute({ ...output, classes, labels_B: targets.labels, target_BC, temperature, scale }),
      );
    }
    case 'pairs':
      return onPairs({ term, scale }, context, term.compute);
    case 'plugin':
      return partsOfPlugin({ term, scale }, context);
  }
}

const noTarget = new Float32Array(0);

/** What the term compares an output to, [rows x classes]. */
function targetOf(target: LossTarget, temperature: number, context: LossContext): Float32Array | Float64Array {
  const { targets, answer, classes } = context;
  switch (target) {
    case 'labels':
      return noTarget;
    case 'vectors':
      if (targets.vectors === undefined) throw new Error('the samples have no target vectors');
      return targets.vectors;
    case 'mixture':
      return softAt(targets, temperature);
    case 'logits':
      return rawLogits(targets);
    case 'lastExit':
      return logSoftmax(answer.logits_BC, classes, temperature);
  }
}

/** The term's pairs, in the recipe's order. */
function onPairs(
  { term, scale }: ScaledTerm,
  { pairs, pairGradients, targets }: LossContext,
  compute: (input: PairInput) => LossValues,
): LossValues[] {
  return [...pairs]
    .filter(([key]) => key.startsWith(`${term.name}/`))
    .map(([key, { student, teacher }]) => {
      const gradient = new Float64Array(student.values.length);
      // A term before this one may have added to it.
      const before = pairGradients.get(key);
      if (before !== undefined) gradient.set(before);
      const values = compute({ student, teacher, rows: targets.labels.length, scale, gradient });
      pairGradients.set(key, Float32Array.from(gradient));
      return values;
    });
}

function partsOfPlugin(
  { term, scale }: { readonly term: PluginAtStep; readonly scale: number },
  context: LossContext,
): LossValues[] {
  const { targets, classes, answer, plugins } = context;
  const loss = must(plugins, term.plugin, 'plug-in');
  const call = { term, loss, labels: targets.labels, targets: targets.vectors ?? null };
  if (term.recipe.pairs !== undefined) return onPairs({ term, scale }, context, (input) => pluginOnPair(input, call));
  const soft = term.soft === null ? null : targetOf(term.soft, term.temperature, context);
  return [pluginOnLogits({ ...answer, classes, scale }, soft, call)];
}

/** The ensemble's log-probabilities at a temperature, [rows x classes]. */
export function softAt({ soft }: Targets, temperature: number): Float32Array {
  if (soft === null) throw new Error('the samples have no soft labels');
  return soft.at(temperature);
}

/** The weighted mean of the teachers' raw logits, [rows x classes]. */
function rawLogits({ soft }: Targets): Float32Array {
  if (soft === null) throw new Error('the samples have no soft labels');
  return soft.logits();
}

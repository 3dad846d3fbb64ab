/**
 * Parameter groups: which trained weights share learning rate and decay, and which are frozen. A pattern (`*` matches
 * any run of characters) is held against a weight's name, `layer/kernel`, and against its layer's name.
 */
import { UserError } from '../../errors.js';
import { must } from '../../must.js';
import type { WeightSpec } from '../../models/student-spec.js';
import type { OptimizerRecipe } from '../../recipe/schema.js';

/** What the weights of one group have in common. */
export interface GroupPlan {
  /** Factor of the optimizer's learning rate. */
  readonly learningRateScale: number;
  readonly weightDecay: number;
  /** No update, and no share in the clip norm, as a tensor without `requires_grad` in PyTorch. */
  readonly frozen: boolean;
}

/** A run's parameter groups, and which of them each trained weight belongs to. */
export interface GroupAssignment {
  readonly groups: readonly GroupPlan[];
  /** Index of a trained weight's group. @throws Error for a weight that is not trained */
  readonly groupOf: (spec: WeightSpec) => number;
}

/**
 * Sorts trained weights into groups. The first of `optimizer.groups` that matches a weight counts; `decayExclude` then
 * takes its decay away, `freeze` its whole update.
 *
 * @throws UserError 2 for a pattern of `freeze` or `groups` that matches no weight.
 */
export function assignGroups(weights: readonly WeightSpec[], optimizer: OptimizerRecipe): GroupAssignment {
  requireMatches('optimizer.freeze', optimizer.freeze, weights);
  optimizer.groups.forEach((group, i) => requireMatches(`optimizer.groups[${i}].match`, group.match, weights));
  const groups: GroupPlan[] = [];
  const indices = new Map<string, number>();
  for (const spec of weights.filter((weight) => weight.kind === 'trained')) {
    const group = groupFor(spec, optimizer);
    let index = groups.findIndex((known) => isSameGroup(known, group));
    if (index < 0) index = groups.push(group) - 1;
    indices.set(spec.name, index);
  }
  return { groups, groupOf: (spec) => must(indices, spec.name, 'parameter group') };
}

function groupFor(spec: WeightSpec, optimizer: OptimizerRecipe): GroupPlan {
  if (matchesAny(optimizer.freeze, spec)) return { learningRateScale: 0, weightDecay: 0, frozen: true };
  const own = optimizer.groups.find((group) => matchesAny(group.match, spec));
  const weightDecay = matchesAny(optimizer.decayExclude, spec) ? 0 : (own?.weightDecay ?? optimizer.weightDecay);
  return { learningRateScale: own?.learningRateScale ?? 1, weightDecay, frozen: false };
}

function isSameGroup(a: GroupPlan, b: GroupPlan): boolean {
  return a.learningRateScale === b.learningRateScale && a.weightDecay === b.weightDecay && a.frozen === b.frozen;
}

function requireMatches(where: string, patterns: readonly string[], weights: readonly WeightSpec[]): void {
  const useless = patterns.find((pattern) => !weights.some((spec) => matches(pattern, spec)));
  if (useless === undefined) return;
  const names = weights
    .slice(0, 8)
    .map((spec) => spec.name)
    .join(', ');
  throw new UserError(
    `${where}: "${useless}" matches no weight of the student (${names}${weights.length > 8 ? ', ...' : ''})`,
  );
}

function matchesAny(patterns: readonly string[], spec: WeightSpec): boolean {
  return patterns.some((pattern) => matches(pattern, spec));
}

function matches(pattern: string, spec: WeightSpec): boolean {
  return globMatches(pattern, spec.name) || globMatches(pattern, spec.layer);
}

/** Whether all of `text` fits the pattern. Linear in text per star: no backtracking over earlier stars is needed. */
export function globMatches(pattern: string, text: string): boolean {
  const [head = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === text;
  const tail = rest.pop() ?? '';
  if (!text.startsWith(head) || !text.endsWith(tail) || text.length < head.length + tail.length) return false;
  let at = head.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, at);
    if (found < 0 || found + piece.length > text.length - tail.length) return false;
    at = found + piece.length;
  }
  return true;
}

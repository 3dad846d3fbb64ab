/**
 * The terms of a recipe's losses: built-in losses in the order of shared/losses/table.ts, then plug-ins by name; and the
 * pairs of taps that they compare. Pure.
 */
import { lossTable, type BuiltInLoss } from '../losses/table.js';
import type { OutputTerm, PairTerm, TapPair, TermFacts } from '../losses/term.js';
import type { Scheduled } from '../losses/options.js';
import type { Task } from '../task.js';
import type { Losses, PluginRecipe } from './loss-schema.js';

/** A term whose function is no part of this program, on the student's answer or on pairs of activations. */
export interface PluginTerm extends TermFacts {
  readonly on: 'plugin';
  /** The plug-in's own name, which is its file's stem. */
  readonly plugin: string;
  readonly recipe: PluginRecipe;
}

export type LossTerm = OutputTerm | PairTerm | PluginTerm;

/** What was found in a recipe's losses, since every step asks for it. */
const found = new WeakMap<Losses, readonly LossTerm[]>();

export function termsIn(losses: Losses): readonly LossTerm[] {
  const terms = found.get(losses) ?? findTerms(losses);
  found.set(losses, terms);
  return terms;
}

/** The names of the recipe's loss terms, in the recipe's order. */
export function termNames(losses: Losses): string[] {
  return termsIn(losses).map(({ name }) => name);
}

function findTerms(losses: Losses): LossTerm[] {
  const builtIn = lossTable.flatMap((loss): LossTerm[] => {
    const term = loss.termIn(losses);
    return term === null ? [] : [term];
  });
  const plugins = Object.entries(losses.plugins ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return [...builtIn, ...plugins.map(([name, recipe]) => pluginTerm(name, recipe))];
}

function pluginTerm(plugin: string, recipe: PluginRecipe): PluginTerm {
  const name = `plugins.${plugin}`;
  const { weight, temperature, over, soft, pairs = [] } = recipe;
  return {
    name,
    weight,
    temperature,
    usualTemperatures: null,
    over,
    soft: soft ?? null,
    tasks: null,
    isAmongSamples: false,
    needsTeacherTaps: pairs.length > 0,
    pairs: pairs.map((pair, i): TapPair => ({ ...pair, to: null, key: `${name}/${i}`, term: name, sides: 'any' })),
    on: 'plugin',
    plugin,
    recipe,
  };
}

/** The keys of a term in the recipe: `losses.crossEntropy`, or `losses.plugins.focal`. */
export function placeOf(term: string): string[] {
  return ['losses', ...term.split('.')];
}

/** Whether the term's weight is above 0 in some step. */
export function canBeOn({ weight }: LossTerm): boolean {
  return ends(weight).some((one) => one > 0);
}

/** The number, or both ends of its schedule. */
export function ends(value: Scheduled): readonly number[] {
  return typeof value === 'number' ? [value] : [value.from, value.to];
}

/** The loss by which each task's targets are learnt without a teacher. */
export const hardTerms = {
  classes: 'crossEntropy',
  regression: 'regression',
  multiLabel: 'binaryCrossEntropy',
  sequence: 'crossEntropy',
} as const satisfies Record<Task, BuiltInLoss>;

/** All pairs in the order of the terms, those of the student's own taps last; none of a term whose pairs are `auto`. */
export function tapPairs(losses: Losses): TapPair[] {
  const pairs = termsIn(losses).flatMap((term) => (term.pairs === 'auto' ? [] : term.pairs));
  return [...pairs.filter(({ teacher }) => teacher !== null), ...pairs.filter(({ teacher }) => teacher === null)];
}

/**
 * Splits `TEACHER/TAP`. Both may have slashes, so the longest teacher's name that fits is taken.
 *
 * @returns null where no teacher's name fits
 */
export function splitTap(
  path: string,
  teachers: readonly { readonly name: string }[],
): { teacher: string; tap: string } | null {
  const [found] = teachers
    .map(({ name }) => name)
    .filter((name) => path.startsWith(`${name}/`))
    .sort((a, b) => b.length - a.length);
  return found === undefined ? null : { teacher: found, tap: path.slice(found.length + 1) };
}

/**
 * What teachers without a temperature of their own are softened by where nothing else is said: the temperature of the
 * first term on a mixture, at its beginning; 1 without one.
 */
export function baseTemperature(losses: Losses): number {
  const first = termsIn(losses).find(({ soft }) => soft === 'mixture');
  if (first === undefined) return 1;
  const { temperature } = first;
  return typeof temperature === 'number' ? temperature : temperature.from;
}

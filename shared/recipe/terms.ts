/** What each loss term needs of data, teachers and student, in one table; and the pairs of taps that a recipe names. Pure. */
import type { Losses, PairRecipe, Schedule, TermName } from './loss-schema.js';

export interface TermNeeds {
  /** What its sum is divided by: all samples of the global batch, or the labelled ones, to which alone it applies. */
  readonly over: 'samples' | 'labelled';
  /** Of the ensemble: the mixture at the term's temperature, the mean of the raw logits, or nothing. */
  readonly soft: 'mixture' | 'logits' | null;
  /** Pairs of a student's tap and a teacher's. */
  readonly pairs: boolean;
  /** A student with exits before its last one. */
  readonly exits: boolean;
}

const onLogits = (over: TermNeeds['over'], soft: TermNeeds['soft']): TermNeeds => ({ over, soft, pairs: false, exits: false });
const onPairs: TermNeeds = { over: 'samples', soft: null, pairs: true, exits: false };
const onExits = (over: TermNeeds['over']): TermNeeds => ({ over, soft: null, pairs: false, exits: true });

export const terms: Readonly<Record<TermName, TermNeeds>> = {
  crossEntropy: onLogits('labelled', null),
  response: onLogits('samples', 'mixture'),
  decoupled: onLogits('labelled', 'mixture'),
  dist: onLogits('samples', 'mixture'),
  logitMse: onLogits('samples', 'logits'),
  virtualTeacher: onLogits('labelled', null),
  embedding: onLogits('samples', 'logits'),
  multiLabel: onLogits('samples', 'logits'),
  features: onPairs,
  attention: onPairs,
  selfDistillation: onLogits('samples', null),
  exitCrossEntropy: onExits('labelled'),
  exitResponse: onExits('samples'),
  relational: onPairs,
  similarity: onPairs,
  probabilistic: onPairs,
  selectivity: onPairs,
  correlation: onPairs,
};

export const pairTerms = ['features', 'attention', 'relational', 'similarity', 'probabilistic', 'selectivity', 'correlation'] as const satisfies readonly TermName[];
export type PairTerm = (typeof pairTerms)[number];

const names: readonly string[] = Object.keys(terms);

export function isTerm(name: string): name is TermName {
  return names.includes(name);
}

/** The recipe's terms, in the table's order. */
export function termsIn(losses: Partial<Record<TermName, unknown>>): TermName[] {
  return names.filter(isTerm).filter((name) => losses[name] !== undefined);
}

/** A student's tap that a term compares with a teacher's, or with a later one of its own. */
export interface TapPair extends Omit<PairRecipe, 'teacher'> {
  /** `<term>/<number>`: names its values, and `adapter/<term>/<number>/...` its adapter's weights. */
  readonly key: string;
  readonly term: TermName;
  /** `TEACHER/TAP`; null: the student's own `to`. */
  readonly teacher: string | null;
  /** The student's later tap; null: a teacher's. */
  readonly to: string | null;
}

/** All pairs, term by term in the table's order; none of a term whose pairs are `auto` still. */
export function tapPairs(losses: Pick<Losses, PairTerm | 'selfDistillation'>): TapPair[] {
  const named = pairTerms.flatMap((term): TapPair[] => {
    const { pairs } = losses[term] ?? {};
    return Array.isArray(pairs) ? pairs.map((pair, i) => ({ ...pair, key: `${term}/${i}`, term, to: null })) : [];
  });
  const own = losses.selfDistillation;
  if (own === undefined) return named;
  const { from, to, adapter, batchNorm, activation } = own;
  return [...named, ...from.map((student, i): TapPair => ({ student, teacher: null, to, key: `selfDistillation/${i}`, term: 'selfDistillation', adapter, batchNorm, activation }))];
}

/** Splits `TEACHER/TAP`; tap and teacher may have slashes, so the longest teacher's name that fits is taken. Null: no such teacher. */
export function splitTap(path: string, teachers: readonly { readonly name: string }[]): { teacher: string; tap: string } | null {
  const found = teachers.map(({ name }) => name).filter((name) => path.startsWith(`${name}/`)).sort((a, b) => b.length - a.length)[0];
  return found === undefined ? null : { teacher: found, tap: path.slice(found.length + 1) };
}

/** A term's temperature; 1 for one that has none. */
export function temperatureOf(losses: Losses, term: TermName): number | Schedule {
  const options = losses[term];
  return options !== undefined && 'temperature' in options ? options.temperature : 1;
}

/** What teachers without a temperature of their own are softened by where nothing else is said: the first soft term's, at its beginning. */
export function baseTemperature(losses: Losses): number {
  const [first] = termsIn(losses).filter((term) => terms[term].soft === 'mixture');
  const temperature = first === undefined ? 1 : temperatureOf(losses, first);
  return typeof temperature === 'number' ? temperature : temperature.from;
}

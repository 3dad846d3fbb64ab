/**
 * What each loss term needs of data, teachers and student, in one table; and the pairs of taps that a recipe names.
 * Pure.
 */
import type {
  Losses,
  LossesAtStep,
  LossName,
  PairRecipe,
  PluginRecipe,
  PluginTerm,
  Schedule,
  TermName,
} from './loss-schema.js';
import type { Task } from '../task.js';

export interface TermNeeds {
  /** What its sum is divided by: all samples of the global batch, or the labelled ones, to which alone it applies. */
  readonly over: 'samples' | 'labelled';
  /** Of the ensemble: the mixture at the term's temperature, the mean of the raw logits, or nothing. */
  readonly soft: 'mixture' | 'logits' | null;
  /** Pairs of a student's tap and a teacher's. */
  readonly pairs: boolean;
  /** A student with exits before its last one. */
  readonly exits: boolean;
  /** What the student's outputs must be for it to have a meaning; absent: anything. */
  readonly tasks?: readonly Task[];
  /**
   * Whether it compares samples with each other: its value is the micro-batch's, and no sample has a part of its own.
   */
  readonly isAmongSamples?: boolean;
}

const amongSamples = (needs: TermNeeds): TermNeeds => ({ ...needs, isAmongSamples: true });
const onLogits = (over: TermNeeds['over'], soft: TermNeeds['soft']): TermNeeds => ({
  over,
  soft,
  pairs: false,
  exits: false,
});
/** The student's outputs are logits of classes that exclude each other. */
const ofClasses = (needs: TermNeeds): TermNeeds => ({ ...needs, tasks: ['classes', 'sequence'] });
/** A sample is one thing, not a sequence of them. */
const ofWholes = (needs: TermNeeds): TermNeeds => ({ ...needs, tasks: ['classes', 'regression', 'multiLabel'] });
const onPairs: TermNeeds = { over: 'samples', soft: null, pairs: true, exits: false };
const onExits = (over: TermNeeds['over']): TermNeeds => ({ over, soft: null, pairs: false, exits: true });

export const terms: Readonly<Record<TermName, TermNeeds>> = {
  crossEntropy: ofClasses(onLogits('labelled', null)),
  regression: { ...onLogits('labelled', null), tasks: ['regression'] },
  binaryCrossEntropy: { ...onLogits('labelled', null), tasks: ['multiLabel'] },
  response: ofClasses(onLogits('samples', 'mixture')),
  decoupled: ofClasses(onLogits('labelled', 'mixture')),
  dist: { ...amongSamples(onLogits('samples', 'mixture')), tasks: ['classes'] },
  logitMse: onLogits('samples', 'logits'),
  virtualTeacher: ofClasses(onLogits('labelled', null)),
  embedding: onLogits('samples', 'logits'),
  multiLabel: { ...onLogits('samples', 'logits'), tasks: ['classes', 'multiLabel', 'sequence'] },
  features: onPairs,
  attention: ofWholes(onPairs),
  selfDistillation: onLogits('samples', null),
  exitCrossEntropy: ofClasses(onExits('labelled')),
  exitResponse: ofClasses(onExits('samples')),
  relational: ofWholes(amongSamples(onPairs)),
  similarity: ofWholes(amongSamples(onPairs)),
  probabilistic: ofWholes(amongSamples(onPairs)),
  selectivity: ofWholes(onPairs),
  correlation: ofWholes(amongSamples(onPairs)),
};

export const pairTerms = [
  'features',
  'attention',
  'relational',
  'similarity',
  'probabilistic',
  'selectivity',
  'correlation',
] as const satisfies readonly TermName[];
export type PairTerm = (typeof pairTerms)[number];

const names: readonly string[] = Object.keys(terms);

export function isTerm(name: string): name is TermName {
  return names.includes(name);
}

type Named = Readonly<Partial<Record<TermName, unknown>>> & {
  readonly plugins?: Readonly<Record<string, unknown>> | undefined;
};

/** The recipe's terms in the table's order, and then its plug-ins by name. */
export function termsIn(losses: Named): LossName[] {
  const plugins = Object.keys(losses.plugins ?? {})
    .sort()
    .map((name): PluginTerm => `plugins.${name}`);
  return [...names.filter(isTerm).filter((name) => losses[name] !== undefined), ...plugins];
}

/** The plug-in's own name; null for a built-in term. */
export function pluginOf(name: LossName): string | null {
  return isTerm(name) ? null : name.slice('plugins.'.length);
}

export function needsOf(losses: Losses, name: LossName): TermNeeds {
  if (isTerm(name)) return terms[name];
  const plugin = losses.plugins?.[pluginOf(name) ?? ''];
  return {
    over: plugin?.over ?? 'samples',
    soft: plugin?.soft ?? null,
    pairs: plugin?.pairs !== undefined,
    exits: false,
  };
}

/** The term that the task's targets are learnt by. */
export const hardTerms = {
  classes: 'crossEntropy',
  regression: 'regression',
  multiLabel: 'binaryCrossEntropy',
  sequence: 'crossEntropy',
} as const satisfies Record<Task, TermName>;

interface CommonOptions<N> {
  readonly weight: N;
  readonly temperature?: N;
}

/** What every loss may have; undefined for one that is not in the recipe. */
export function optionsOf(losses: LossesAtStep, name: LossName): CommonOptions<number> | undefined;
export function optionsOf(losses: Losses, name: LossName): CommonOptions<number | Schedule> | undefined;
export function optionsOf(losses: Losses, name: LossName): CommonOptions<number | Schedule> | undefined {
  return isTerm(name) ? losses[name] : losses.plugins?.[pluginOf(name) ?? ''];
}

/** The losses with that one alone. */
export function onlyLoss(losses: LossesAtStep, name: LossName): LossesAtStep {
  if (isTerm(name)) return { [name]: losses[name] };
  const plugin = pluginOf(name) ?? '';
  const options = losses.plugins?.[plugin];
  return options === undefined ? {} : { plugins: { [plugin]: options } };
}

/** A student's tap that a term compares with a teacher's, or with a later one of its own. */
export interface TapPair extends Omit<PairRecipe, 'teacher'> {
  /** `<term>/<number>`: names its values, and `adapter/<term>/<number>/...` its adapter's weights. */
  readonly key: string;
  readonly term: LossName;
  /** `TEACHER/TAP`; null: the student's own `to`. */
  readonly teacher: string | null;
  /** The student's later tap; null: a teacher's. */
  readonly to: string | null;
}

/** All pairs, term by term in the table's order, plug-ins' last; none of a term whose pairs are `auto` still. */
export function tapPairs(losses: Pick<Losses, PairTerm | 'selfDistillation' | 'plugins'>): TapPair[] {
  const pairsOf = (term: LossName, pairs: 'auto' | readonly PairRecipe[] = []): TapPair[] =>
    pairs === 'auto' ? [] : pairs.map((pair, i) => ({ ...pair, key: `${term}/${i}`, term, to: null }));
  const plugged = Object.entries<PluginRecipe>(losses.plugins ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const named = [
    ...pairTerms.flatMap((term) => pairsOf(term, losses[term]?.pairs)),
    ...plugged.flatMap(([name, { pairs }]) => pairsOf(`plugins.${name}`, pairs)),
  ];
  const own = losses.selfDistillation;
  if (own === undefined) return named;
  const { from, to, adapter, batchNorm, activation } = own;
  return [
    ...named,
    ...from.map((student, i): TapPair => ({
      student,
      teacher: null,
      to,
      key: `selfDistillation/${i}`,
      term: 'selfDistillation',
      adapter,
      batchNorm,
      activation,
    })),
  ];
}

/**
 * Splits `TEACHER/TAP`; tap and teacher may have slashes, so the longest teacher's name that fits is taken. Null: no
 * such teacher.
 */
export function splitTap(
  path: string,
  teachers: readonly { readonly name: string }[],
): { teacher: string; tap: string } | null {
  const found = teachers
    .map(({ name }) => name)
    .filter((name) => path.startsWith(`${name}/`))
    .sort((a, b) => b.length - a.length)[0];
  return found === undefined ? null : { teacher: found, tap: path.slice(found.length + 1) };
}

/** A term's temperature; 1 for one that has none. */
export function temperatureOf(losses: Losses, term: LossName): number | Schedule {
  return optionsOf(losses, term)?.temperature ?? 1;
}

/**
 * What teachers without a temperature of their own are softened by where nothing else is said: the first soft term's,
 * at its beginning.
 */
export function baseTemperature(losses: Losses): number {
  const [first] = termsIn(losses).filter((term) => needsOf(losses, term).soft === 'mixture');
  const temperature = first === undefined ? 1 : temperatureOf(losses, first);
  return typeof temperature === 'number' ? temperature : temperature.from;
}

/**
 * The seam of the losses. A file of this folder describes one loss: its name, its options, what it needs, its texts for
 * the documents, and the function that computes its value and gradient. All else follows from the descriptions that
 * table.ts lists: the recipe's schema, its checks, the printed formula, divisors, labels, documents and tests.
 *
 * A description is pure, and knows of a recipe nothing but the loss's own options.
 */
import { z } from 'zod';
import type { Task } from '../task.js';
import type { LossValues, OutputInput, PairInput, TargetInput } from './math/inputs.js';
import { pairsSchema, type Scheduled } from './options.js';
import type {
  LossSamples,
  LossTarget,
  OutputTerm,
  PairSides,
  PairTerm,
  TapChoice,
  TapPair,
  TemperatureRange,
  TermFacts,
  WrittenTemperature,
} from './term.js';

/** The weights that its paper, or the toolkits that repeat it, give a loss and the cross entropy beside it. */
export interface UsualWeights {
  readonly weight: number;
  readonly crossEntropy: number;
  /** Options that differ from their defaults; a tap is named as the built-in student `cnn-small` names its layers. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** What its pairs compare of student and teacher: maps, vectors or logits. */
  readonly taps?: 'maps' | 'vectors' | 'logits';
}

/** zod would call the options of a loss that has none a record without values. */
type OptionsOf<S extends z.ZodRawShape> = keyof S extends never ? unknown : z.output<z.ZodObject<S>>;

/** A loss's options as a recipe has them. */
export type OptionsIn<S extends z.ZodRawShape> = OptionsOf<S> & {
  readonly weight: Scheduled;
  readonly temperature?: Scheduled;
};

/** The part of a recipe's losses that a loss reads. */
type LossesWith<N extends string, O> = Readonly<Partial<Record<N, O | undefined>>>;

interface Description<N extends string, S extends z.ZodRawShape> {
  /** Its key in the recipe. */
  readonly name: N;
  /** In a line, for the recipe's JSON schema. */
  readonly description?: string;
  /** For the documents: what it compares, in words. */
  readonly compares: string;
  /** For the documents: a sample's value. */
  readonly formula: string;
  /** For the documents: its paper, or the operation of PyTorch that it equals. */
  readonly source: string;
  /** zod schemas of its options beside `weight` and `temperature`. */
  readonly options: S;
  /** Absent: it has none. */
  readonly temperature?: { readonly default: number; readonly usual?: TemperatureRange };
  readonly over: LossSamples;
  /** What the student's outputs must be for it to have a meaning; absent: anything. */
  readonly tasks?: readonly Task[];
  /** Whether it compares samples with each other, so that its value is the micro-batch's and no sample's own. */
  readonly isAmongSamples?: boolean;
  /** Absent: bench/methods.ts does not try it. */
  readonly usual?: UsualWeights;
}

/** A loss on the student's answer, or on each of its earlier exits. */
type OutputDescription<N extends string, S extends z.ZodRawShape> = Description<N, S> & {
  readonly on: 'answer' | 'exits';
  /** Its own factors, as they are printed before the first step; absent: its name. */
  readonly written?: (options: OptionsOf<S>, temperature: WrittenTemperature) => string;
} & (
    | { readonly target: 'labels'; readonly compute: (input: OutputInput, options: OptionsOf<S>) => LossValues }
    | {
        readonly target: Exclude<LossTarget, 'labels'>;
        readonly compute: (input: TargetInput, options: OptionsOf<S>) => LossValues;
      }
  );

export function lossOnOutputs<const N extends string, S extends z.ZodRawShape>(loss: OutputDescription<N, S>) {
  return {
    ...loss,
    /** This loss as a recipe has it; null where it has not. */
    termIn(losses: LossesWith<N, OptionsIn<S>>): OutputTerm | null {
      const options: OptionsIn<S> | undefined = losses[loss.name];
      if (options === undefined) return null;
      return {
        ...factsOf(loss, options),
        soft: loss.target === 'mixture' || loss.target === 'logits' ? loss.target : null,
        on: loss.on,
        target: loss.target,
        compute: (input) => loss.compute(input, options),
        written: (temperature) => loss.written?.(options, temperature) ?? loss.name,
      };
    },
  };
}

interface PairDescription<N extends string, S extends z.ZodRawShape> extends Description<N, S> {
  readonly sides: PairSides;
  readonly compute: (input: PairInput, options: OptionsOf<S>) => LossValues;
}

/** A loss on pairs of the student's and the teachers' taps, which the recipe gives as the loss's option `pairs`. */
export function lossOnPairs<const N extends string, S extends z.ZodRawShape>(loss: PairDescription<N, S>) {
  return {
    ...loss,
    on: 'pairs' as const,
    options: { ...loss.options, pairs: pairsSchema },
    /** This loss as a recipe has it; null where it has not. */
    termIn(losses: LossesWith<N, OptionsIn<S> & { readonly pairs: z.output<typeof pairsSchema> }>): PairTerm | null {
      const options = losses[loss.name];
      if (options === undefined) return null;
      const pairs = options.pairs === 'auto' ? 'auto' : options.pairs.map((pair) => ({ ...pair, to: null }));
      return { ...pairTerm(loss, options, pairs), needsTeacherTaps: true };
    },
  };
}

/** A loss on pairs of the student's own taps: earlier ones, and a later one that is a constant. */
export function lossOnOwnTaps<const N extends string, S extends z.ZodRawShape>(
  loss: PairDescription<N, S> & {
    readonly pairsIn: (options: OptionsOf<S>) => readonly TapChoice[];
  },
) {
  return {
    ...loss,
    on: 'pairs' as const,
    /** This loss as a recipe has it; null where it has not. */
    termIn(losses: LossesWith<N, OptionsIn<S>>): PairTerm | null {
      const options: OptionsIn<S> | undefined = losses[loss.name];
      return options === undefined ? null : pairTerm(loss, options, loss.pairsIn(options));
    },
  };
}

function pairTerm<S extends z.ZodRawShape>(
  loss: PairDescription<string, S>,
  options: OptionsIn<S>,
  pairs: 'auto' | readonly TapChoice[],
): PairTerm {
  const { name, sides } = loss;
  return {
    ...factsOf(loss, options),
    pairs:
      pairs === 'auto' ? pairs : pairs.map((pair, i): TapPair => ({ ...pair, key: `${name}/${i}`, term: name, sides })),
    on: 'pairs',
    sides,
    compute: (input) => loss.compute(input, options),
  };
}

/** What follows from the description alone, and what most losses do not need. */
function factsOf<S extends z.ZodRawShape>(loss: Description<string, S>, options: OptionsIn<S>): TermFacts {
  return {
    name: loss.name,
    weight: options.weight,
    temperature: options.temperature ?? 1,
    usualTemperatures: loss.temperature?.usual ?? null,
    over: loss.over,
    soft: null,
    tasks: loss.tasks ?? null,
    isAmongSamples: loss.isAmongSamples ?? false,
    needsTeacherTaps: false,
    pairs: [],
  };
}

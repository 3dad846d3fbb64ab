/**
 * Terms: the losses of one recipe, each with the options that the recipe gives it filled in. What the coordinator, the
 * checks and the workers know of a loss is what stands here. Pure.
 */
import type { Task } from '../task.js';
import type { LossValues, PairInput, TargetInput } from './math/inputs.js';
import type { PairRecipe, Scheduled } from './options.js';

/**
 * What an output of the student is compared to: the labels; the samples' target vectors; the ensemble's
 * log-probabilities at the term's temperature (`mixture`), or the mean of the teachers' raw logits (`logits`); or the
 * log-probabilities of the student's own last exit at the temperature.
 */
export type LossTarget = 'labels' | 'vectors' | 'mixture' | 'logits' | 'lastExit';

/** The samples that a term applies to, whose number its sum is divided by: all of the global batch, or the labelled. */
export type LossSamples = 'samples' | 'labelled';

/** The lowest and the highest temperature that are usual. */
export type TemperatureRange = readonly [lowest: number, highest: number];

/** A temperature as the printed formula has it: `16` or `T^2`, and `T=4` or `T=(4 to 1, linear)`. */
export interface WrittenTemperature {
  readonly square: string;
  readonly at: string;
}

/**
 * What the two activations of a pair must have in common, the student's behind its adapter: both are maps of one kind,
 * or they have as many channels.
 */
export type PairSides = 'maps' | 'channels' | 'any';

/** A tap of the student that a term compares with a teacher's, or with a later one of its own. */
export interface TapChoice extends Omit<PairRecipe, 'teacher'> {
  /** `TEACHER/TAP`; null for a pair of the student's own taps. */
  readonly teacher: string | null;
  /** The student's later tap; null for a pair with a teacher's. */
  readonly to: string | null;
}

export interface TapPair extends TapChoice {
  /** `<term>/<number>`: names its values, and `adapter/<term>/<number>/...` the weights of its adapter. */
  readonly key: string;
  readonly term: string;
  readonly sides: PairSides;
}

/** What every term says of itself, built in or not. */
export interface TermFacts {
  /** `crossEntropy`, or `plugins.focal`: names it in divisors, sums and reports. */
  readonly name: string;
  readonly weight: Scheduled;
  /** 1 for a term without one, which changes nothing. */
  readonly temperature: Scheduled;
  /** Null: the recipe is never warned of its temperature. */
  readonly usualTemperatures: TemperatureRange | null;
  readonly over: LossSamples;
  /** What it needs of the ensemble; null: nothing. */
  readonly soft: 'mixture' | 'logits' | null;
  /** What the student's outputs must be for it to have a meaning; null: anything. */
  readonly tasks: readonly Task[] | null;
  /** Whether it compares samples with each other, so that its value is the micro-batch's and no sample's own. */
  readonly isAmongSamples: boolean;
  /** Whether it compares with inner values of teachers. */
  readonly needsTeacherTaps: boolean;
  /** The pairs of taps that it compares; `auto` until they are found; none of a term on outputs. */
  readonly pairs: 'auto' | readonly TapPair[];
}

/** A term on the student's answer, or on each of its earlier exits. */
export interface OutputTerm extends TermFacts {
  readonly on: 'answer' | 'exits';
  readonly target: LossTarget;
  /** The input's target is empty where the target is the labels alone. */
  readonly compute: (input: TargetInput) => LossValues;
  /** Its own factors, as they are printed before the first step. */
  readonly written: (temperature: WrittenTemperature) => string;
}

/** A term on pairs of activations, called for each of its pairs. */
export interface PairTerm extends TermFacts {
  readonly on: 'pairs';
  readonly sides: PairSides;
  readonly compute: (input: PairInput) => LossValues;
}

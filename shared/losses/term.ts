/**
 * What a loss term on logits is: a pure function of logits and targets that gives each sample's value and adds its
 * gradient, scaled by the recipe's weight and the divisor of the whole global batch, to the total's.
 */

import type { Activation } from './math/activation.js';

export interface TermInput {
  /** [rows x classes] */
  readonly logits_BC: Float32Array;
  readonly classes: number;
  /** weight / divisor: what a sample's value is multiplied by in the total loss. */
  readonly scale: number;
  /** [rows x classes]; scale x d value / d logits is added. */
  readonly gradient_BC: Float64Array;
}

export interface TermValues {
  /** [rows]; plain values, weight and divisor excluded; 0 where the term does not apply. */
  readonly values_B: Float32Array;
  /** Samples that it applies to. */
  readonly count: number;
}

/** What a term on activations is given: a student's (after its adapter) and what it should be like, a constant. */
export interface PairInput {
  readonly student: Activation;
  readonly teacher: Activation;
  readonly rows: number;
  /** weight / divisor: what a sample's value is multiplied by in the total loss. */
  readonly scale: number;
  /** [rows x student's shape]; scale x d value / d student is added. */
  readonly gradient: Float64Array;
}

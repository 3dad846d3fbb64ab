/**
 * What a loss's function is given, and what it gives: arrays of one micro-batch. It adds its gradient, multiplied by
 * `scale`, to the array that it is given for it, and never changes or keeps anything else.
 *
 * Suffixes tell shapes: B rows of the micro-batch (samples, or the positions of sequences), C classes.
 */
import type { Activation } from './activation.js';

/** One output of the student and the rows' labels, which is all that a loss of labels compares. */
export interface OutputInput {
  /** The student's raw output, [rows x classes]. */
  readonly logits_BC: Float32Array;
  readonly classes: number;
  /** [rows]; -1 for a row without a label, or without a target vector. */
  readonly labels_B: Int32Array;
  /** The loss's temperature in this step; 1 where it has none. */
  readonly temperature: number;
  /** weight / divisor: what a row's value is multiplied by in the total loss. */
  readonly scale: number;
  /** [rows x classes]; the loss adds scale x d value / d logits. */
  readonly gradient_BC: Float64Array;
}

/** The same, with what the output is compared to: log-probabilities, raw logits or target vectors, as the loss asks. */
export interface TargetInput extends OutputInput {
  /** [rows x classes]; a constant, no gradient is taken with respect to it. */
  readonly target_BC: Float32Array | Float64Array;
}

/** A pair of activations: the student's behind its adapter, and what it should be like, a constant. */
export interface PairInput {
  readonly student: Activation;
  readonly teacher: Activation;
  readonly rows: number;
  /** weight / divisor: what a row's value is multiplied by in the total loss. */
  readonly scale: number;
  /** [rows x the student's shape]; the loss adds scale x d value / d student. */
  readonly gradient: Float64Array;
}

/** What a loss's function gives beside the gradient. */
export interface LossValues {
  /** [rows]; plain values without weight and divisor; 0 for a row that the loss does not apply to. */
  readonly values_B: Float32Array;
  /** The rows that it applies to. */
  readonly count: number;
}

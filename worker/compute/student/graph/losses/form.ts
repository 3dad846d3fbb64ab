/** What a loss that can be part of a student's graph says of itself. Pure. */
import type { Doubles } from './doubles.js';

/**
 * How the labels reach a term:
 *
 *   none       it does not see them
 *   weighted   [rows x classes], the row's weight at its label's class; its value and slopes are linear in them
 *   plain      [rows x classes], 1 at the label's class; it is not linear, so a mixed row is not one call
 */
export type LabelForm = 'none' | 'weighted' | 'plain';

/** An output of the student and what it is compared to; all of float64. */
export interface OutputGiven {
  readonly math: Doubles;
  /** The student's raw output, [rows x classes]. */
  readonly z: string;
  /** What the term compares with, [rows x classes]; empty where that is the labels alone. */
  readonly target: string;
  /** The labels as the form takes them, [rows x classes]; empty for `none`. */
  readonly labels: string;
  /** A scalar. */
  readonly temperature: string;
  readonly rows: number;
  readonly classes: number;
}

/** A pair of activations, the student's behind its adapter: [rows x height x width x channels] each, of float64. */
export interface PairGiven {
  readonly math: Doubles;
  readonly student: string;
  readonly teacher: string;
  readonly rows: number;
  readonly studentSize: MapShape;
  readonly teacherSize: MapShape;
}

export interface MapShape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** What a form writes: a value for each row, [rows x 1], and d value / d what the student gave, laid out as that. */
export interface RowsAndSlopes {
  readonly values: string;
  readonly slopes: string;
}

/** A term on the student's answer, or on each of its earlier exits. */
export interface OutputForm {
  readonly on: 'outputs';
  readonly labels: LabelForm;
  readonly write: (given: OutputGiven) => RowsAndSlopes;
}

export type WritePair = (given: PairGiven) => RowsAndSlopes;

/** A term on pairs of activations. */
export interface PairForm {
  readonly on: 'pairs';
  readonly write: WritePair;
}

/**
 * The seam of the tasks: what a task counts over the samples of an evaluation, and which figures those sums give. One
 * file implements it for each task, and `tasks.ts` lists them.
 */
import type { Sums } from '../replica/reduction/contribution.js';
import type { ClassDetails } from './class-details.js';
import type { Figures, StudentEvaluation } from './figures.js';
import type { JudgedModel } from './sum-names.js';

/** What is known of the samples of one micro-batch of an evaluation. */
export interface GroundTruth {
  /** Samples. */
  readonly rows: number;
  /** [rows], or of sequences [rows x positions]; -1: no label. Of target vectors: -1 where the row has none. */
  readonly labels: Int32Array;
  /** [rows x width] target vectors; empty where samples have classes, and where none has a target. */
  readonly vectors: Float32Array;
  /** Number of classes, or length of the target vectors. */
  readonly width: number;
  /** Positions of a sequence; 1 where samples are no sequences. */
  readonly positions: number;
  /** [width]: means of the evaluation set's target vectors; empty where it has none. */
  readonly means: readonly number[];
}

/** What the teachers answer on those samples: logits, or numbers, of the shape of the ground truth's outputs. */
export interface TeacherAnswers {
  readonly teachers: ReadonlyMap<string, Float32Array>;
  readonly ensemble: Float32Array;
  /** The classes of each teacher that labels samples of these alone. */
  readonly specialties: ReadonlyMap<string, readonly number[]>;
  /** Names of the teachers that label each sample, of which alone those are judged; absent: all label all. */
  readonly routes?: readonly (readonly string[])[] | undefined;
}

export interface TaskFigures {
  /**
   * The sums of the student over one micro-batch; those of several micro-batches add up to the whole set's.
   * @param outputs its answers, [rows x positions x width]; @param exits the same of its earlier exits, by name
   */
  readonly studentSums: (truth: GroundTruth, outputs: Float32Array, exits: ReadonlyMap<string, Float32Array>) => Sums;
  /** The sums of the teachers and of their ensemble over one micro-batch. */
  readonly teacherSums: (truth: GroundTruth, answers: TeacherAnswers) => Sums;
  /** The figures of a model: none when it was not evaluated, or on no sample that has a label. */
  readonly figuresOf: (sums: Sums, model: JudgedModel) => Figures;
  /** The figures of the student, with its loss and what else the task has of it. */
  readonly studentFigures: (sums: Sums) => StudentEvaluation;
  /** How the student answered class by class; undefined where the task has no classes, or too many. */
  readonly details: (sums: Sums, classes: number) => ClassDetails | undefined;
  /**
   * The share of the answers that a teacher and the ensemble have in common; undefined where the task counts none.
   * @param samples all samples of the evaluation, with a label or without
   */
  readonly agreementOf: (sums: Sums, teacher: string, samples: number) => number | undefined;
  /** Whether a teacher is no better than one that does not look at its inputs; false where too few samples tell. */
  readonly isGuessing: (sums: Sums, teacher: string, width: number) => boolean;
}

/** Standard deviations of a guesser's result that a teacher must be above it. */
export const guessSigmas = 2;

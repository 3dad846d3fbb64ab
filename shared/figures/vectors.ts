/** Models' outputs beside the target vectors that samples have. Pure. */
import type { GroundTruth, TeacherAnswers } from './task-figures.js';

/** The target vectors of some samples. */
export interface KnownVectors {
  /** [rows x width] */
  readonly vectors: Float32Array;
  /** [rows]; below 0: the row has no target and is left out. */
  readonly labels: Int32Array;
  readonly width: number;
}

/** The same with what a model gives in their place. */
export interface JudgedVectors extends KnownVectors {
  /** [rows x width]: numbers, or logits of labels. */
  readonly outputs: Float32Array;
}

export function targetsOf({ labels, vectors, width }: GroundTruth): KnownVectors {
  // A set without targets has no vectors: then no row has one.
  return { labels: vectors.length === 0 ? labels.map(() => -1) : labels, vectors, width };
}

export function judgedBy(truth: GroundTruth, outputs: Float32Array): JudgedVectors {
  return { ...targetsOf(truth), outputs };
}

/**
 * The samples that a teacher labels, of all; the others are as if they had no target.
 *
 * @param routes names of the teachers of each sample; undefined where all label all
 */
export function ownOf(truth: GroundTruth, teacher: string, routes: TeacherAnswers['routes']): GroundTruth {
  if (routes === undefined) return truth;
  const labels = truth.labels.map((label, row) => (routes[row]?.includes(teacher) === true ? label : -1));
  return { ...truth, labels };
}

/** Calls `visit` with the place, in the outputs and the vectors, of each row that has a target. */
export function eachRow({ labels, width }: KnownVectors, visit: (at: number) => void): void {
  labels.forEach((label, row) => {
    if (label >= 0) visit(row * width);
  });
}

export function rowsWithTarget({ labels }: KnownVectors): number {
  return labels.reduce((count, label) => (label >= 0 ? count + 1 : count), 0);
}

/** The mean of number `k` of the vectors. @throws Error when there are fewer means than numbers */
export function meanAt(means: readonly number[], k: number): number {
  const mean = means[k];
  if (mean === undefined) throw new Error(`${means.length} means; one for number ${k} was wanted`);
  return mean;
}

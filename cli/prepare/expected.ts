/** What the student and the teachers of a run must fit. */
import type { Preprocess } from '../../shared/recipe/schema.js';
import type { Part } from './sources/source.js';
import type { Task } from '../../shared/task.js';

/** The samples that a model gets, and what it must give of each. */
export interface Expected {
  /** Shape of one sample, channels last. */
  readonly inputShape: readonly number[];
  /** What a sample's elements are, one part after the other; absent where they have no names. */
  readonly parts?: readonly Part[] | undefined;
  readonly task: Task;
  /** The numbers that a model gives of a sample, or of a position: classes, labels, or numbers of a target. */
  readonly classes: number;
  /** Positions of a sequence, for each of which a model gives its classes; undefined: a sample is no sequence. */
  readonly positions?: number | undefined;
  /** Names of the classes, by label; undefined where neither recipe nor data has some. */
  readonly classNames?: readonly string[] | undefined;
  /** What the samples have been through; null for nothing. */
  readonly preprocess: Preprocess | null;
}

/** What a run's student is to predict of a sample, and how its outputs are spoken of. Pure. */
import { counted } from './counted.js';

/**
 * A class of several that exclude each other; a vector of numbers; for each of several labels whether it applies; or a
 * class at each position of a sequence.
 */
export const tasks = ['classes', 'regression', 'multiLabel', 'sequence'] as const;
export type Task = (typeof tasks)[number];
/** The tasks whose samples have target vectors. */
export type VectorTask = Extract<Task, 'regression' | 'multiLabel'>;

export function hasVectors(task: Task): task is VectorTask {
  return task === 'regression' || task === 'multiLabel';
}

/** A recipe without a task has classes. */
export function taskOf({ data }: { readonly data: { readonly task?: Task | undefined } }): Task {
  return data.task ?? 'classes';
}

/** A data source of a recipe, as far as it says where the samples' labels or targets are. */
interface LabelSource {
  readonly labels?: string | number | undefined;
  readonly targets?: unknown;
}

/** Whether samples of a source come with what the task predicts: labels, or targets where the task has vectors. */
export function hasLabels(task: Task, source: LabelSource): boolean {
  return (hasVectors(task) ? source.targets : source.labels) !== undefined;
}

/** `10 classes`, `3 numbers a target`, `3 labels a target`. */
export function widthText(task: Task, width: number): string {
  if (!hasVectors(task)) return counted(width, 'class');
  return `${width} ${task === 'regression' ? 'number' : 'label'}${width === 1 ? '' : 's'} a target`;
}

/** What samples are to be told, and how it is called where widths of outputs are compared. Pure. */

/**
 * A class of several that exclude each other; a vector of numbers; for each of several labels whether it applies; or a
 * class at each position of a sequence.
 */
export const tasks = ['classes', 'regression', 'multiLabel', 'sequence'] as const;
export type Task = (typeof tasks)[number];
/** Those whose samples have target vectors. */
export type VectorTask = Extract<Task, 'regression' | 'multiLabel'>;

export function hasVectors(task: Task): task is VectorTask {
  return task === 'regression' || task === 'multiLabel';
}

interface Told {
  readonly labels?: string | number | undefined;
  readonly targets?: unknown;
}

export function taskOf({ data }: { readonly data: { readonly task?: Task | undefined } }): Task {
  return data.task ?? 'classes';
}

/** Whether some of a source's samples come with what the task wants to know. */
export function isTold(task: Task, source: Told): boolean {
  return !hasVectors(task) ? source.labels !== undefined : source.targets !== undefined;
}

/** `10 classes`, `3 numbers a target`, `3 labels a target`. */
export function widthText(task: Task, width: number): string {
  if (!hasVectors(task)) return `${width} classes`;
  return `${width} ${task === 'regression' ? 'number' : 'label'}${width === 1 ? '' : 's'} a target`;
}

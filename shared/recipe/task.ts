/** What samples are to be told, and how it is called where widths of outputs are compared. Pure. */

/** A class of several that exclude each other; a vector of numbers; or for each of several labels whether it applies. */
export const tasks = ['classes', 'regression', 'multiLabel'] as const;
export type Task = (typeof tasks)[number];

interface Told {
  readonly labels?: string | number | undefined;
  readonly targets?: unknown;
}

export function taskOf({ data }: { readonly data: { readonly task?: Task | undefined } }): Task {
  return data.task ?? 'classes';
}

/** Whether some of a source's samples come with what the task wants to know. */
export function isTold(task: Task, source: Told): boolean {
  return task === 'classes' ? source.labels !== undefined : source.targets !== undefined;
}

/** `10 classes`, `3 numbers a target`, `3 labels a target`. */
export function widthText(task: Task, width: number): string {
  if (task === 'classes') return `${width} classes`;
  return `${width} ${task === 'regression' ? 'number' : 'label'}${width === 1 ? '' : 's'} a target`;
}

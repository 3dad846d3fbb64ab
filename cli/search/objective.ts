/** What trials are judged by: a figure of the student's evaluation, and which way it is better. Pure. */
import { percent } from '../../shared/figures/figures.js';
import type { ObjectiveName } from '../../shared/recipe/search-schema.js';
import type { Task } from '../../shared/task.js';

/** A student's evaluation, as far as trials may be judged by it. */
export type Judged = Readonly<Partial<Record<ObjectiveName, number | undefined>>>;

export interface Objective {
  readonly name: ObjectiveName;
  /** The figure in an evaluation; null where it has none, or one that is not finite. */
  readonly read: (evaluation: Judged) => number | null;
  /** The value as a number of which less is better. */
  readonly costOf: (value: number) => number;
  /** The value as people read it. */
  readonly text: (value: number) => string;
}

/** What each task can be judged by, its usual figure first. */
const byTask: Readonly<Record<Task, readonly ObjectiveName[]>> = {
  classes: ['accuracy', 'loss', 'calibrationError'],
  sequence: ['accuracy', 'exactMatch', 'loss'],
  multiLabel: ['microF1', 'macroF1', 'exactMatch', 'labelAccuracy', 'loss'],
  regression: ['r2', 'mse', 'mae'],
};

const minimised: ReadonlySet<ObjectiveName> = new Set<ObjectiveName>(['mse', 'mae', 'loss', 'calibrationError']);
const plainNumbers: ReadonlySet<ObjectiveName> = new Set<ObjectiveName>(['mse', 'mae', 'loss', 'r2']);

/** The objectives of a task, its usual one first. */
export function objectivesOf(task: Task): readonly ObjectiveName[] {
  return byTask[task];
}

export function objectiveOf(name: ObjectiveName): Objective {
  return {
    name,
    read: (evaluation) => {
      const value = evaluation[name];
      return value === undefined || !Number.isFinite(value) ? null : value;
    },
    costOf: (value) => (minimised.has(name) ? value : -value),
    text: (value) => (plainNumbers.has(name) ? value.toPrecision(5) : percent(value)),
  };
}

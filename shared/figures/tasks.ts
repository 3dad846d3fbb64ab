/** The list of the tasks: for each, the file that writes and reads its sums. */
import type { Task } from '../task.js';
import { classFigures } from './classes.js';
import { multiLabelFigures } from './multi-label.js';
import { regressionFigures } from './regression.js';
import { sequenceFigures } from './sequences.js';
import type { TaskFigures } from './task-figures.js';

export const figuresByTask: Readonly<Record<Task, TaskFigures>> = {
  classes: classFigures,
  regression: regressionFigures,
  multiLabel: multiLabelFigures,
  sequence: sequenceFigures,
};

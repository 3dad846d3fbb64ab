/** What the names and bounds of a prepared run's sums follow from. */
import type { SummedRun } from '../../shared/figures/sum-rules.js';
import { termNames } from '../../shared/recipe/terms.js';
import { taskOf } from '../../shared/task.js';
import type { PreparedRun } from './prepared-run.js';

export function summedRunOf({ recipe, teachers, student }: PreparedRun): SummedRun {
  return {
    task: taskOf(recipe),
    terms: termNames(recipe.losses),
    teachers,
    isByRoute: recipe.ensemble.route !== undefined,
    exits: student.exits ?? [],
    width: student.classes,
    positions: student.positions ?? 1,
  };
}

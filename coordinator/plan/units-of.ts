/** The plan of a prepared run. */
import type { PreparedRun } from './prepared-run.js';
import { planUnits, type UnitPlan } from './units.js';

/** A recipe that does not cut its batches has the whole batch for a micro-batch. */
export function batchOf({ batch }: PreparedRun['recipe']): { size: number; micro: number } {
  return { size: batch.size, micro: batch.micro ?? batch.size };
}

export function unitsOf(run: PreparedRun): UnitPlan {
  const { recipe, manifest, teachers } = run;
  return planUnits({
    trainSamples: manifest.train.samples,
    evalSamples: manifest.eval?.samples ?? 0,
    hasTeachers: teachers.length > 0 && !recipe.labels.wait,
    batch: batchOf(recipe),
    epochs: recipe.epochs,
    steps: recipe.steps,
    everyEpochs: recipe.evaluate.everyEpochs,
  });
}

import { planUnits } from './units.js';
/** A recipe that does not cut its batches has the whole batch for a micro-batch. */
export function batchOf({ batch }) {
    return { size: batch.size, micro: batch.micro ?? batch.size };
}
export function unitsOf(run) {
    const { recipe, manifest, teachers } = run;
    return planUnits({
        trainSamples: manifest.train.samples, evalSamples: manifest.eval?.samples ?? 0, hasTeachers: teachers.length > 0 && !recipe.labels.wait,
        batch: batchOf(recipe), epochs: recipe.epochs, steps: recipe.steps, everyEpochs: recipe.evaluate.everyEpochs,
    });
}
//# sourceMappingURL=units-of.js.map
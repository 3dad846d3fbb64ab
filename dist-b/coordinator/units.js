/**
 * The plan of a run: its units in the order of their commits, as arithmetic over the sizes of the data. Pure; nothing
 * is listed, so a run of a million steps costs what one of ten does.
 *
 *   [teachers' evaluation]  epoch 0: steps, [student's evaluation]  epoch 1: steps, ...
 *
 * The student is evaluated after every `everyEpochs` epochs and after the last one.
 */
import { microBatchCount } from '../shared/reduction/tree.js';
import { terms } from '../shared/recipe/terms.js';
export function planUnits(input) {
    const stepsPerEpoch = Math.ceil(input.trainSamples / input.batch.size);
    const totalSteps = Math.min(input.steps ?? Infinity, (input.epochs ?? Infinity) * stepsPerEpoch);
    const epochs = Math.ceil(totalSteps / stepsPerEpoch);
    const isEvaluated = input.evalSamples > 0;
    const lead = isEvaluated && input.hasTeachers ? 1 : 0;
    const cycle = { epochs: input.everyEpochs, units: input.everyEpochs * stepsPerEpoch + (isEvaluated ? 1 : 0) };
    const fullCycles = Math.ceil(epochs / cycle.epochs) - 1;
    const lastSteps = totalSteps - fullCycles * cycle.epochs * stepsPerEpoch;
    const units = lead + fullCycles * cycle.units + lastSteps + (isEvaluated ? 1 : 0);
    const unitAt = (index) => {
        if (index < 0 || index >= units)
            return undefined;
        if (index < lead)
            return evaluation(input, { subject: 'teachers', step: 0, epoch: 0 });
        const cyclesBefore = Math.min(fullCycles, Math.floor((index - lead) / cycle.units));
        const inCycle = index - lead - cyclesBefore * cycle.units;
        const cycleSteps = cyclesBefore < fullCycles ? cycle.epochs * stepsPerEpoch : lastSteps;
        const step = cyclesBefore * cycle.epochs * stepsPerEpoch + Math.min(inCycle, cycleSteps);
        if (inCycle < cycleSteps)
            return trainStep(input, step, stepsPerEpoch);
        return evaluation(input, { subject: 'student', step, epoch: Math.floor((step - 1) / stepsPerEpoch) });
    };
    return {
        stepsPerEpoch, totalSteps, epochs, units, unitAt,
        closesEpoch: (index) => index >= lead && unitAt(index + 1)?.epoch !== unitAt(index)?.epoch,
    };
}
function trainStep(input, step, stepsPerEpoch) {
    const from = (step % stepsPerEpoch) * input.batch.size;
    const to = Math.min(input.trainSamples, from + input.batch.size);
    return { kind: 'train', step, epoch: Math.floor(step / stepsPerEpoch), from, to, microBatches: microBatchCount(to - from, input.batch.micro) };
}
function evaluation(input, at) {
    const microBatches = microBatchCount(input.evalSamples, input.batch.micro);
    return { kind: 'evaluate', ...at, from: 0, to: input.evalSamples, microBatches };
}
/** Per loss term, what its sum over the unit's global batch is divided by: labelled samples for terms of labels, samples for the others. */
export function divisorsOf(unit, source) {
    if (unit.kind === 'evaluate')
        return {};
    const labelled = labelledIn(unit, source);
    const divisor = (term) => (terms[term].over === 'labelled' ? labelled : unit.to - unit.from);
    return Object.fromEntries(source.terms.map((term) => [term, divisor(term)]));
}
function labelledIn(unit, { labels, sampleAt }) {
    let labelled = 0;
    for (let position = unit.from; position < unit.to; position++) {
        if ((labels[sampleAt(unit.epoch, position)] ?? -1) >= 0)
            labelled++;
    }
    return labelled;
}
//# sourceMappingURL=units.js.map
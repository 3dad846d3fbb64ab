import { agreeing, argMax, calibrationGaps } from './metrics.js';
/** What these logits get right, over the labelled rows. `loss`: sum of cross entropy in nats, in float64. */
export function score(logits_BC, labels_B, classes) {
    let [labelled, correct, loss] = [0, 0, 0];
    labels_B.forEach((label, i) => {
        if (label < 0)
            return;
        labelled++;
        if (argMax(logits_BC, i * classes, classes) === label)
            correct++;
        const row = logits_BC.subarray(i * classes, (i + 1) * classes);
        const max = row.reduce((a, b) => Math.max(a, b), -Infinity);
        loss += max + Math.log(row.reduce((sum, u) => sum + Math.exp(u - max), 0)) - (row[label] ?? 0);
    });
    return { labelled, correct, loss };
}
/**
 * `samples` counts the labelled ones: accuracy is correct / samples. `student.calibration.N`: the gap of bin N.
 * `exit.NAME.correct`: of an earlier exit.
 */
export function evaluateStudent(batch, compute) {
    const { logits: logits_BC, exits } = compute.student.outputs(batch.inputs, batch.rows);
    const { labelled, correct, loss } = score(logits_BC, batch.targets.labels, compute.classes);
    const gaps = [...calibrationGaps(logits_BC, batch.targets.labels, compute.classes)].map(([bin, gap]) => [`student.calibration.${bin}`, gap]);
    const early = [...exits].map(([name, values]) => [`exit.${name}.correct`, score(values, batch.targets.labels, compute.classes).correct]);
    return { samples: labelled, 'student.correct': correct, 'student.loss': loss, ...Object.fromEntries([...gaps, ...early]) };
}
export async function evaluateTeachers(batch, compute) {
    const { teachers, ensemble } = await compute.teacherLogits(batch);
    const { labels } = batch.targets;
    const { labelled, correct } = score(ensemble, labels, compute.classes);
    const sums = { samples: labelled, 'ensemble.correct': correct };
    for (const [name, logits] of teachers) {
        sums[`teacher.${name}.correct`] = score(logits, labels, compute.classes).correct;
        sums[`teacher.${name}.agree`] = agreeing(logits, ensemble, compute.classes);
    }
    return sums;
}
//# sourceMappingURL=evaluation.js.map
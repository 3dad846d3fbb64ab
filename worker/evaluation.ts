/** One micro-batch of an evaluation lease: counts and losses, no gradient. Pure but for the models that it runs. */
import type { MicroBatch, RunCompute } from './compute.js';
import { agreeing, argMax, calibrationGaps } from './metrics.js';

/** What these logits get right, over the labelled rows. `loss`: sum of cross entropy in nats, in float64. */
export function score(logits_BC: Float32Array, labels_B: Int32Array, classes: number): { labelled: number; correct: number; loss: number } {
  let [labelled, correct, loss] = [0, 0, 0];
  labels_B.forEach((label, i) => {
    if (label < 0) return;
    labelled++;
    if (argMax(logits_BC, i * classes, classes) === label) correct++;
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
export function evaluateStudent(batch: MicroBatch, compute: RunCompute): Record<string, number> {
  const { logits: logits_BC, exits } = compute.student.outputs(batch.inputs, batch.rows);
  const { labelled, correct, loss } = score(logits_BC, batch.targets.labels, compute.classes);
  const gaps = [...calibrationGaps(logits_BC, batch.targets.labels, compute.classes)].map(([bin, gap]) => [`student.calibration.${bin}`, gap]);
  const early = [...exits].map(([name, values]) => [`exit.${name}.correct`, score(values, batch.targets.labels, compute.classes).correct]);
  return { samples: labelled, 'student.correct': correct, 'student.loss': loss, ...Object.fromEntries([...gaps, ...early]) };
}

/** Of the classes that a specialist knows; all for any other teacher. */
function labelsFor(specialty: readonly number[] | undefined, labels_B: Int32Array): Int32Array {
  return specialty === undefined ? labels_B : labels_B.map((label) => (specialty.includes(label) ? label : -1));
}

/** `teacher.NAME.samples`: of a specialist, the samples of its classes, which alone count for it. */
export async function evaluateTeachers(batch: MicroBatch, compute: RunCompute): Promise<Record<string, number>> {
  const { teachers, ensemble } = await compute.teacherLogits(batch);
  const { labels } = batch.targets;
  const { labelled, correct } = score(ensemble, labels, compute.classes);
  const sums: Record<string, number> = { samples: labelled, 'ensemble.correct': correct };
  for (const [name, logits] of teachers) {
    const own = score(logits, labelsFor(compute.specialties.get(name), labels), compute.classes);
    sums[`teacher.${name}.correct`] = own.correct;
    if (compute.specialties.has(name)) sums[`teacher.${name}.samples`] = own.labelled;
    sums[`teacher.${name}.agree`] = agreeing(logits, ensemble, compute.classes);
  }
  return sums;
}

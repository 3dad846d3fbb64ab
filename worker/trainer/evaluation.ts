/** One micro-batch of an evaluation lease: counts and losses, no gradient. Pure but for the models that it runs. */
import type { Goal, MicroBatch, RunCompute } from '../compute/contract.js';
import {
  alike,
  labelCounts,
  multiLabelSums,
  regressionSums,
  skillOf,
  spreadAbout,
  type Judged,
} from '../../shared/figures/targets.js';
import { agreeing, argMax, calibrationGaps, exactSequences } from '../../shared/figures/classification.js';

/** What these logits get right, over the labelled rows. `loss`: sum of cross entropy in nats, in float64. */
export function score(
  logits_BC: Float32Array,
  labels_B: Int32Array,
  classes: number,
): { labelled: number; correct: number; loss: number } {
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
  if (compute.goal !== undefined) return judgeStudent(judgedOf(logits_BC, batch, compute), compute.goal);
  const { labelled, correct, loss } = score(logits_BC, batch.targets.labels, compute.classes);
  const gaps = [...calibrationGaps(logits_BC, batch.targets.labels, compute.classes)].map(
    ([bin, gap]): [string, number] => [`student.calibration.${bin}`, gap],
  );
  const early = [...exits].map(([name, values]): [string, number] => [
    `exit.${name}.correct`,
    score(values, batch.targets.labels, compute.classes).correct,
  ]);
  const whole = compute.positions === undefined ? {} : sequencesOf('student', logits_BC, batch, compute);
  return {
    samples: labelled,
    'student.correct': correct,
    'student.loss': loss,
    ...Object.fromEntries([...gaps, ...early]),
    ...whole,
  };
}

/** Of the classes that a specialist knows; all for any other teacher. */
function labelsFor(specialty: readonly number[] | undefined, labels_B: Int32Array): Int32Array {
  return specialty === undefined ? labels_B : labels_B.map((label) => (specialty.includes(label) ? label : -1));
}

/**
 * `teacher.NAME.samples`: of a specialist, the samples of its classes, which alone count for it. Of those that are not
 * `dropped`. @throws TeacherFailure
 */
export async function evaluateTeachers(
  batch: MicroBatch,
  compute: RunCompute,
  dropped: readonly string[],
): Promise<Record<string, number>> {
  const { teachers, ensemble } = await compute.teacherLogits(batch, dropped);
  if (compute.goal !== undefined)
    return judgeTeachers(teachers, ensemble, (outputs) => judgedOf(outputs, batch, compute), compute.goal);
  const { labels } = batch.targets;
  const { labelled, correct } = score(ensemble, labels, compute.classes);
  const wholes = (who: string, logits: Float32Array): Record<string, number> =>
    compute.positions === undefined ? {} : sequencesOf(who, logits, batch, compute);
  const sums: Record<string, number> = {
    samples: labelled,
    'ensemble.correct': correct,
    ...wholes('ensemble', ensemble),
  };
  for (const [name, logits] of teachers) {
    const own = score(logits, labelsFor(compute.specialties.get(name), labels), compute.classes);
    sums[`teacher.${name}.correct`] = own.correct;
    if (compute.specialties.has(name)) sums[`teacher.${name}.samples`] = own.labelled;
    Object.assign(sums, wholes(`teacher.${name}`, logits));
    sums[`teacher.${name}.agree`] =
      compute.positions === undefined
        ? agreeing(logits, ensemble, compute.classes)
        : agreeingWhere(labels, logits, ensemble, compute.classes);
  }
  return sums;
}

/** `sequences`: samples with a label somewhere; `WHO.exact`: those whose labels are all told rightly. */
function sequencesOf(
  who: string,
  logits_BC: Float32Array,
  { rows, targets: { labels } }: MicroBatch,
  { classes, positions = 1 }: RunCompute,
): Record<string, number> {
  const { sequences, exact } = exactSequences(logits_BC, labels, { rows, positions, classes });
  return { sequences, [`${who}.exact`]: exact };
}

/** Labelled positions at which both prefer the same class. */
function agreeingWhere(labels: Int32Array, a: Float32Array, b: Float32Array, classes: number): number {
  return labels.reduce(
    (same, label, at) =>
      label >= 0 && argMax(a, at * classes, classes) === argMax(b, at * classes, classes) ? same + 1 : same,
    0,
  );
}

function judgedOf(
  outputs: Float32Array,
  { targets: { labels, vectors } }: MicroBatch,
  { classes: width }: RunCompute,
): Judged {
  // A set without targets has no vectors: then no row has one.
  return {
    outputs,
    labels: vectors === undefined ? labels.map(() => -1) : labels,
    vectors: vectors ?? new Float32Array(0),
    width,
  };
}

/** Labels up to which each one's counts are journalled, for the macro F1. */
const labelsApart = 256;

/** `student.squares`, `student.absolutes` and `spread`; or those of several labels, and `label.N.*` of each. */
function judgeStudent(judged: Judged, { task, means }: Goal): Record<string, number> {
  const samples = judged.labels.reduce((count, label) => (label >= 0 ? count + 1 : count), 0);
  if (task === 'regression')
    return { samples, spread: spreadAbout(judged, means), ...prefixed('student', regressionSums(judged)) };
  const apart =
    judged.width > labelsApart ? [] : labelCounts(judged).map((counts, k) => prefixed(`label.${k}`, counts));
  return merged({ samples }, prefixed('student', multiLabelSums(judged)), ...apart);
}

function judgeTeachers(
  teachers: ReadonlyMap<string, Float32Array>,
  ensemble: Float32Array,
  judged: (outputs: Float32Array) => Judged,
  { task, means }: Goal,
): Record<string, number> {
  const whole = judged(ensemble);
  const samples = whole.labels.reduce((count, label) => (label >= 0 ? count + 1 : count), 0);
  const all = [...teachers].map(([name, outputs]) => [`teacher.${name}`, outputs] as const);
  if (task === 'regression') {
    const each = [...all, ['ensemble', ensemble] as const].map(([who, outputs]) =>
      prefixed(who, regressionSums(judged(outputs))),
    );
    return merged({ samples, spread: spreadAbout(whole, means) }, ...each);
  }
  const rows = whole.labels.length;
  const each = all.map(([who, outputs]) =>
    prefixed(who, {
      ...multiLabelSums(judged(outputs)),
      ...skillOf(judged(outputs), means),
      agree: rows * alike(outputs, ensemble),
    }),
  );
  return merged({ samples }, prefixed('ensemble', multiLabelSums(whole)), ...each);
}

function prefixed(prefix: string, sums: object): Record<string, number> {
  return Object.fromEntries(
    Object.entries(sums).map(([name, value]: [string, number]) => [`${prefix}.${name}`, value]),
  );
}

function merged(...parts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  return Object.fromEntries(parts.flatMap((part) => Object.entries(part)));
}

/** What is odd about a model's answers to an evaluation set, in the words of a run's look at its teachers. Pure. */
import { guessing } from '../../coordinator/reports/teacher-check.js';
import { constantAnswer } from '../../shared/figures/constant-answers.js';
import { figuresByTask } from '../../shared/figures/tasks.js';
import { hasVectors } from '../../shared/task.js';
import type { EvaluationSet } from './evaluation-set.js';
import type { ModelOutputs } from './model-outputs.js';

/** @returns a line for each thing that looks odd */
export function oddAnswers(set: EvaluationSet, { name, outputs, specialty }: ModelOutputs): string[] {
  const { task, labels, classes: width, samples, vectors, positions = 1 } = set;
  const truth = { rows: samples, labels, vectors, width, positions, means: meansOf(set) };
  const sums = figuresByTask[task].teacherSums(truth, {
    teachers: new Map([[name, outputs]]),
    ensemble: outputs,
    specialties: new Map(specialty === null ? [] : [[name, specialty]]),
  });
  const found = guessing({ line: { sums, samples }, task, teachers: [name], width });
  const constant = specialty === null ? constantAnswer({ task, outputs, width, labels }) : null;
  return [
    ...(found === null
      ? []
      : [`${name} (${found.figures.join()}): no better than ${found.guesser}; ${wishes(found.wish)} wanted`]),
    ...(constant === null ? [] : [`${name}: it gives ${constant}; other preprocessing, layout or output wanted`]),
  ];
}

const wishes = (wish: string): string => wish.replace('teachers[].classes', '--classes, or teachers[].classes');

/** The mean of each number of the targets, over the samples that have one. */
function meansOf({ task, vectors, labels, classes: width }: EvaluationSet): number[] {
  if (!hasVectors(task)) return [];
  const known = [...labels.keys()].filter((row) => (labels[row] ?? -1) >= 0);
  return Array.from(
    { length: width },
    (_, k) => known.reduce((sum, row) => sum + (vectors[row * width + k] ?? 0), 0) / Math.max(1, known.length),
  );
}

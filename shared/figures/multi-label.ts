/**
 * The sums and figures of samples that have any of several labels each. A label applies where its target is at least a
 * half, and is predicted where its probability is, which is a logit of at least 0. Pure.
 *
 *   samples             samples with a target
 *   WHO.hits            labels, over all samples, that apply and are predicted
 *   WHO.told            labels that are predicted
 *   WHO.actual          labels that apply: micro F1 = 2 hits / (told + actual)
 *   WHO.exact           samples with all labels right
 *   WHO.right           sum over samples of the share of their labels that are right
 *   WHO.loss            sum of the binary cross entropy in nats, over labels and samples
 *   label.K.*           hits, told and actual of the student's label K, for the macro F1; none for very many labels
 *   teacher.NAME.skill, teacher.NAME.skillSquares   see `skillOf`
 *   teacher.NAME.samples   of a teacher that labels some samples only: those of them with a target, which alone count for it
 *   teacher.NAME.agree  samples times the share of all labels that it and the ensemble predict alike
 */
import type { Sums } from '../replica/reduction/contribution.js';
import {
  SumGroup,
  agreementIn,
  agreementSum,
  joined,
  ownSamplesIn,
  ownSamplesSum,
  perSample,
  samplesIn,
  samplesSum,
} from './sum-names.js';
import { guessSigmas, type TaskFigures } from './task-figures.js';
import { eachRow, judgedBy, meanAt, ownOf, rowsWithTarget, type JudgedVectors } from './vectors.js';

/** Counts of labels: those that apply and are predicted, that are predicted, and that apply. */
export interface PredictionCounts {
  readonly hits: number;
  readonly predicted: number;
  readonly actual: number;
}

/** The harmonic mean of precision and recall, 2 hits / (predicted + actual); 1 where there is nothing to predict. */
export function f1({ hits, predicted, actual }: PredictionCounts): number {
  return predicted + actual === 0 ? 1 : (2 * hits) / (predicted + actual);
}

export interface MultiLabelSums extends PredictionCounts {
  readonly exact: number;
  readonly right: number;
  readonly loss: number;
}

export function multiLabelSums(judged: JudgedVectors): MultiLabelSums {
  const sums = { hits: 0, predicted: 0, actual: 0, exact: 0, right: 0, loss: 0 };
  eachRow(judged, (at) => {
    let right = 0;
    for (let k = at; k < at + judged.width; k++) {
      const [z, target] = [judged.outputs[k] ?? 0, judged.vectors[k] ?? 0];
      const [isPredicted, isActual] = [z >= 0, target >= 0.5];
      if (isPredicted) sums.predicted++;
      if (isActual) sums.actual++;
      if (isPredicted && isActual) sums.hits++;
      if (isPredicted === isActual) right++;
      sums.loss += Math.max(z, 0) - z * target + Math.log1p(Math.exp(-Math.abs(z)));
    }
    sums.right += right / judged.width;
    if (right === judged.width) sums.exact++;
  });
  return sums;
}

/** The counts of each label by itself, [width]. */
export function labelCounts(judged: JudgedVectors): PredictionCounts[] {
  const counts = Array.from({ length: judged.width }, () => ({ hits: 0, predicted: 0, actual: 0 }));
  eachRow(judged, (at) => {
    counts.forEach((count, k) => {
      const [isPredicted, isActual] = [(judged.outputs[at + k] ?? 0) >= 0, (judged.vectors[at + k] ?? 0) >= 0.5];
      if (isPredicted) count.predicted++;
      if (isActual) count.actual++;
      if (isPredicted && isActual) count.hits++;
    });
  });
  return counts;
}

/**
 * How much more often labels are predicted where they apply than their frequencies would have it: the sum over rows of
 * s = sum_k (target_k - frequency_k) [label k is predicted], whose mean is 0 for a model that does not look at the
 * sample, and the sum of s^2, which gives the deviation of that mean.
 */
export function skillOf(
  judged: JudgedVectors,
  frequencies: readonly number[],
): { skill: number; skillSquares: number } {
  let [skill, skillSquares] = [0, 0];
  eachRow(judged, (at) => {
    let own = 0;
    for (let k = 0; k < judged.width; k++)
      if ((judged.outputs[at + k] ?? 0) >= 0) own += (judged.vectors[at + k] ?? 0) - meanAt(frequencies, k);
    skill += own;
    skillSquares += own * own;
  });
  return { skill, skillSquares };
}

/** The share of the labels, over all rows, that both predict or both do not. @param first, second logits */
export function alike(first: Float32Array, second: Float32Array): number {
  let same = 0;
  first.forEach((z, i) => {
    if (z >= 0 === (second[i] ?? 0) >= 0) same++;
  });
  return first.length === 0 ? 0 : same / first.length;
}

/** Labels up to which each one's counts are journalled. */
const labelsApart = 256;

const countNames = { hits: 'hits', predicted: 'told', actual: 'actual' };
const perLabel = new SumGroup(countNames);
const whole = new SumGroup({ ...countNames, exact: 'exact', right: 'right', loss: 'loss' });
const skills = new SumGroup({ skill: 'skill', skillSquares: 'skillSquares' });

/** The mean of the labels' F1; null where their own counts are missing. */
function macroF1(sums: Sums): number | null {
  let [labels, sum] = [0, 0];
  for (;;) {
    const counts = perLabel.read(sums, { label: labels });
    if (counts === null) return labels === 0 ? null : sum / labels;
    sum += f1(counts);
    labels++;
  }
}

const figuresOf: TaskFigures['figuresOf'] = (sums, model) => {
  const own = whole.read(sums, model);
  const samples = ownSamplesIn(sums, model) ?? samplesIn(sums);
  if (own === null || samples === 0) return {};
  const macro = model === 'student' ? macroF1(sums) : null;
  return {
    microF1: f1(own),
    ...(macro === null ? {} : { macroF1: macro }),
    exactMatch: own.exact / samples,
    labelAccuracy: own.right / samples,
  };
};

export const multiLabelFigures: TaskFigures = {
  studentSums: (truth, outputs) => {
    const judged = judgedBy(truth, outputs);
    const apart = judged.width > labelsApart ? [] : labelCounts(judged);
    return joined(
      samplesSum(rowsWithTarget(judged)),
      whole.write('student', multiLabelSums(judged)),
      ...apart.map((counts, label) => perLabel.write({ label }, counts)),
    );
  },
  teacherSums: (truth, { teachers, ensemble, routes }) => {
    const together = judgedBy(truth, ensemble);
    return joined(
      samplesSum(rowsWithTarget(together)),
      whole.write('ensemble', multiLabelSums(together)),
      ...[...teachers].flatMap(([teacher, outputs]) => {
        const judged = judgedBy(ownOf(truth, teacher, routes), outputs);
        return [
          routes === undefined ? {} : ownSamplesSum(teacher, rowsWithTarget(judged)),
          whole.write({ teacher }, multiLabelSums(judged)),
          skills.write({ teacher }, skillOf(judged, truth.means)),
          agreementSum(teacher, truth.rows * alike(outputs, ensemble)),
        ];
      }),
    );
  },
  figuresOf,
  studentFigures: (sums) => {
    const own = whole.read(sums, 'student');
    return own === null ? {} : { ...figuresOf(sums, 'student'), loss: perSample(own.loss, samplesIn(sums)) };
  },
  details: () => undefined,
  agreementOf: agreementIn,
  /** It predicts labels where they apply no more often than by their frequencies. */
  isGuessing: (sums, teacher) => {
    const own = skills.read(sums, { teacher });
    if (own === null || (ownSamplesIn(sums, { teacher }) ?? samplesIn(sums)) === 0) return false;
    return own.skill <= guessSigmas * Math.sqrt(own.skillSquares);
  },
};

/** What `eval` reports where several labels may apply: figures of the whole and of each label. Pure. */
import { counted } from '../../shared/counted.js';
import { averagePrecision } from '../../shared/figures/average-precision.js';
import { percent } from '../../shared/figures/figures.js';
import { alike, f1, labelCounts, multiLabelSums } from '../../shared/figures/multi-label.js';
import { discordanceOf, type Discordance } from '../../shared/figures/significance.js';
import type { JudgedVectors } from '../../shared/figures/vectors.js';
import { column } from './judged-rows.js';
import type { OtherOutputs } from './model-outputs.js';

interface LabelFigures {
  /** How many samples have the label. */
  readonly samples: number;
  readonly f1: number;
  readonly accuracy: number;
  /** Null where no sample has the label. */
  readonly averagePrecision: number | null;
}

export interface MultiLabelReport {
  readonly task: 'multiLabel';
  readonly samples: number;
  /** F1 of all labels together; a label is predicted from a probability of a half on. */
  readonly microF1: number;
  /** Mean of the labels' F1. */
  readonly macroF1: number;
  /** Share of the samples whose labels are all right. */
  readonly exactMatch: number;
  /** Share of the labels that are right. */
  readonly labelAccuracy: number;
  /** Mean of the average precision of the labels that some sample has; null where none has any. */
  readonly meanAveragePrecision: number | null;
  /** Binary cross entropy in nats, summed over the labels. */
  readonly loss: number;
  readonly perLabel: readonly LabelFigures[];
  /** Share of the labels that model and teacher both predict, or both do not. */
  readonly agreement?: number;
  /** How many samples only this model gets right in all labels, and how many only the other one. */
  readonly against?: Discordance;
}

/** @param judged rows that all have a target, with logits for outputs */
export function multiLabelReport(judged: JudgedVectors, { teacher, against }: OtherOutputs): MultiLabelReport {
  const samples = judged.labels.length;
  const { exact, right, loss, ...counts } = multiLabelSums(judged);
  const perLabel = labelFigures(judged);
  const precisions = perLabel.flatMap(({ averagePrecision: precision }) => precision ?? []);
  const share = (value: number): number => value / Math.max(1, samples);
  return {
    task: 'multiLabel',
    samples,
    microF1: f1(counts),
    macroF1: mean(perLabel.map((label) => label.f1)),
    exactMatch: share(exact),
    labelAccuracy: share(right),
    meanAveragePrecision: precisions.length === 0 ? null : mean(precisions),
    loss: share(loss),
    perLabel,
    ...(teacher === null ? {} : { agreement: alike(judged.outputs, teacher) }),
    ...(against === null ? {} : { against: compareExact(judged, against) }),
  };
}

function labelFigures(judged: JudgedVectors): LabelFigures[] {
  return labelCounts(judged).map((counts, k) => {
    const own = column(judged, k);
    const applies = Array.from(own.vectors, (value) => value >= 0.5);
    return {
      samples: counts.actual,
      f1: f1(counts),
      accuracy: multiLabelSums(own).right / Math.max(1, judged.labels.length),
      averagePrecision: averagePrecision(own.outputs, applies),
    };
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

function compareExact(judged: JudgedVectors, other: Float32Array): Discordance {
  const { width } = judged;
  const exactIn =
    (outputs: Float32Array) =>
    (row: number): boolean => {
      for (let at = row * width; at < (row + 1) * width; at++)
        if ((outputs[at] ?? 0) >= 0 !== (judged.vectors[at] ?? 0) >= 0.5) return false;
      return true;
    };
  return discordanceOf(judged.labels.length, { first: exactIn(judged.outputs), second: exactIn(other) });
}

/** Says the figures to people. @param names the labels' names, where the recipe has some */
export function multiLabelLines(report: MultiLabelReport, names: readonly string[]): string[] {
  const { microF1, macroF1, exactMatch, labelAccuracy, meanAveragePrecision, loss, perLabel } = report;
  const { agreement, against } = report;
  return [
    `micro F1 ${percent(microF1)}   macro F1 ${percent(macroF1)}   exact match ${percent(exactMatch)}   label accuracy ${percent(labelAccuracy)}   mean average precision ${precisionText(meanAveragePrecision)}   loss ${loss.toFixed(4)}`,
    ...(agreement === undefined ? [] : [`agreement with the teacher on ${percent(agreement)} of the labels`]),
    ...(against === undefined ? [] : [againstText(against)]),
    ...perLabel.map((own, k) => `${names[k] ?? `label ${k}`}: ${labelText(own)}`),
  ];
}

function againstText({ onlyFirst, onlySecond, p }: Discordance): string {
  return `against the other model: ${counted(onlyFirst, 'sample')} right in all labels here alone, ${onlySecond} there alone; p = ${p.toPrecision(3)} (exact McNemar test)`;
}

function labelText({ f1: score, accuracy, averagePrecision: precision, samples }: LabelFigures): string {
  return `F1 ${percent(score)}   accuracy ${percent(accuracy)}   average precision ${precisionText(precision)}   of ${counted(samples, 'sample')}`;
}

function precisionText(value: number | null): string {
  return value === null ? '-' : value.toFixed(4);
}

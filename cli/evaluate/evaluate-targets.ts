/** What `eval` reports where samples have target vectors: figures of the whole and of each number or label. Pure. */
import { pairedDifference, type PairedDifference } from '../../shared/figures/statistics.js';
import { discordanceOf, type Discordance } from '../../shared/figures/significance.js';
import { pickRows } from '../../worker/compute/teachers/fixed-rows.js';
import { averagePrecision } from '../../shared/figures/average-precision.js';
import { alike, f1, labelCounts, multiLabelSums } from '../../shared/figures/multi-label.js';
import { regressionSums, spreadAbout } from '../../shared/figures/regression.js';
import type { JudgedVectors } from '../../shared/figures/vectors.js';

export interface RegressionReport {
  readonly task: 'regression';
  readonly samples: number;
  /** Share of the variance about the targets' means that is explained; null where they do not vary. */
  readonly r2: number | null;
  readonly mse: number;
  readonly mae: number;
  readonly perNumber: readonly { readonly r2: number | null; readonly mse: number; readonly mae: number }[];
  /** R2 against what the teacher gives, in place of the targets. */
  readonly agreement?: number | null;
  /** Of the samples' mean squared errors, this model's less the other's; below 0: this one is better. */
  readonly against?: PairedDifference;
}

export interface MultiLabelReport {
  readonly task: 'multiLabel';
  readonly samples: number;
  /** At a probability of a half. */
  readonly microF1: number;
  readonly macroF1: number;
  readonly exactMatch: number;
  readonly labelAccuracy: number;
  /** Mean of the labels' average precision, of those that some sample has; null where none has any. */
  readonly meanAveragePrecision: number | null;
  /** Binary cross entropy in nats, summed over the labels. */
  readonly loss: number;
  readonly perLabel: readonly {
    readonly samples: number;
    readonly f1: number;
    readonly accuracy: number;
    readonly averagePrecision: number | null;
  }[];
  /** Share of the labels that model and teacher both predict, or both do not. */
  readonly agreement?: number;
  /** Of samples with all labels right. */
  readonly against?: Discordance;
}

export type TargetReport = RegressionReport | MultiLabelReport;

/** The rest: what other models give of the same samples. */
export interface Others {
  readonly teacher: Float32Array | null;
  readonly against: Float32Array | null;
}

/** The rows that have a target, alone. */
export function withTargets({ outputs, vectors, labels, width }: JudgedVectors): JudgedVectors {
  const rows = [...labels.keys()].filter((row) => (labels[row] ?? -1) >= 0);
  return {
    outputs: pickRows(outputs, labels.length, rows),
    vectors: pickRows(vectors, labels.length, rows),
    labels: new Int32Array(rows.length),
    width,
  };
}

export function regressionReport(judged: JudgedVectors, { teacher, against }: Others): RegressionReport {
  const whole = regressionFigures(judged);
  const perNumber = Array.from({ length: judged.width }, (_, k) => regressionFigures(column(judged, k)));
  const errors = (outputs: Float32Array): number[] => rowErrors({ ...judged, outputs });
  return {
    task: 'regression',
    samples: judged.labels.length,
    ...whole,
    perNumber,
    ...(teacher === null ? {} : { agreement: regressionFigures({ ...judged, vectors: teacher }).r2 }),
    ...(against === null ? {} : { against: pairedDifference(errors(against), errors(judged.outputs)) }),
  };
}

function regressionFigures(judged: JudgedVectors): { r2: number | null; mse: number; mae: number } {
  const samples = Math.max(1, judged.labels.length);
  const { squares, absolutes } = regressionSums(judged);
  const spread = spreadAbout(judged, meansOf(judged));
  return { r2: spread > 0 ? 1 - squares / spread : null, mse: squares / samples, mae: absolutes / samples };
}

function meansOf({ vectors, width }: JudgedVectors): number[] {
  const sums = new Array<number>(width).fill(0);
  vectors.forEach((value, at) => (sums[at % width] = (sums[at % width] ?? 0) + value));
  return sums.map((sum) => sum / Math.max(1, vectors.length / width));
}

/** Number k of every vector. */
function column({ outputs, vectors, labels, width }: JudgedVectors, k: number): JudgedVectors {
  const of = (values: Float32Array): Float32Array => values.filter((_, at) => at % width === k);
  return { outputs: of(outputs), vectors: of(vectors), labels, width: 1 };
}

function rowErrors(judged: JudgedVectors): number[] {
  const { outputs, vectors, labels, width } = judged;
  const own = (values: Float32Array, row: number): Float32Array => values.subarray(row * width, (row + 1) * width);
  return Array.from(
    labels,
    (_, row) =>
      regressionSums({ ...judged, labels: new Int32Array(1), outputs: own(outputs, row), vectors: own(vectors, row) })
        .squares,
  );
}

export function multiLabelReport(judged: JudgedVectors, { teacher, against }: Others): MultiLabelReport {
  const samples = judged.labels.length;
  const { exact, right, loss, ...counts } = multiLabelSums(judged);
  const perLabel = labelCounts(judged).map((own, k) => {
    const { outputs, vectors } = column(judged, k);
    const applies = Array.from(vectors, (value) => value >= 0.5);
    return {
      samples: own.actual,
      f1: f1(own),
      accuracy: multiLabelSums(column(judged, k)).right / Math.max(1, samples),
      averagePrecision: averagePrecision(outputs, applies),
    };
  });
  const precisions = perLabel.flatMap(({ averagePrecision: precision }) => precision ?? []);
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
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

const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
const number = (value: number | null): string => (value === null ? '-' : value.toFixed(4));

/** For people. @param names of the numbers or labels, where the recipe has some */
export function targetText(name: string, report: TargetReport, names: readonly string[] = []): string {
  return [
    `${name}: ${report.samples} samples`,
    ...(report.task === 'regression' ? regressionLines(report, names) : multiLabelLines(report, names)),
  ].join('\n');
}

function regressionLines(
  { r2, mse, mae, perNumber, agreement, against }: RegressionReport,
  names: readonly string[],
): string[] {
  const figures = (of: { r2: number | null; mse: number; mae: number }): string =>
    `R2 ${number(of.r2)}   MSE ${of.mse.toPrecision(4)}   MAE ${of.mae.toPrecision(4)}`;
  return [
    figures({ r2, mse, mae }),
    ...(agreement === undefined ? [] : [`R2 against what the teacher gives ${number(agreement)}`]),
    ...(against === undefined
      ? []
      : [
          `against the other model: mean squared error ${signed(against.mean)}${against.interval === null || against.p === null ? '' : `, 95 % interval ${signed(against.interval.low)} to ${signed(against.interval.high)}; p = ${against.p.toPrecision(3)} (paired t-test over samples)`}`,
        ]),
    ...(perNumber.length === 1 ? [] : perNumber.map((own, k) => `${names[k] ?? `number ${k}`}: ${figures(own)}`)),
  ];
}

function multiLabelLines(
  {
    microF1,
    macroF1,
    exactMatch,
    labelAccuracy,
    meanAveragePrecision,
    loss,
    perLabel,
    agreement,
    against,
  }: MultiLabelReport,
  names: readonly string[],
): string[] {
  return [
    `micro F1 ${percent(microF1)}   macro F1 ${percent(macroF1)}   exact match ${percent(exactMatch)}   label accuracy ${percent(labelAccuracy)}   mean average precision ${number(meanAveragePrecision)}   loss ${loss.toFixed(4)}`,
    ...(agreement === undefined ? [] : [`agreement with the teacher on ${percent(agreement)} of the labels`]),
    ...(against === undefined
      ? []
      : [
          `against the other model: ${against.onlyFirst} samples right in all labels here alone, ${against.onlySecond} there alone; p = ${against.p.toPrecision(3)} (exact McNemar test)`,
        ]),
    ...perLabel.map(
      (label, k) =>
        `${names[k] ?? `label ${k}`}: F1 ${percent(label.f1)}   accuracy ${percent(label.accuracy)}   average precision ${number(label.averagePrecision)}   of ${label.samples} samples`,
    ),
  ];
}

function signed(value: number): string {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toPrecision(4)}`;
}

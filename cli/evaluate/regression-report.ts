/** What `eval` reports of regression: figures of the whole and of each number of a target. Pure. */
import { regressionSums, spreadAbout } from '../../shared/figures/regression.js';
import { pairedDifference, type PairedDifference } from '../../shared/figures/statistics.js';
import type { JudgedVectors } from '../../shared/figures/vectors.js';
import { column } from './judged-rows.js';
import type { OtherOutputs } from './model-outputs.js';

interface RegressionFigures {
  /** Share of the variance about the targets' means that is explained; null where they do not vary. */
  readonly r2: number | null;
  /** Mean squared error. */
  readonly mse: number;
  /** Mean absolute error. */
  readonly mae: number;
}

export interface RegressionReport extends RegressionFigures {
  readonly task: 'regression';
  readonly samples: number;
  readonly perNumber: readonly RegressionFigures[];
  /** R2 against what the teacher gives, in place of the targets. */
  readonly agreement?: number | null;
  /** The samples' mean squared errors, this model's less the other's; below 0: this one is better. */
  readonly against?: PairedDifference;
}

/** @param judged rows that all have a target */
export function regressionReport(judged: JudgedVectors, { teacher, against }: OtherOutputs): RegressionReport {
  const errors = (outputs: Float32Array): number[] => rowErrors({ ...judged, outputs });
  return {
    task: 'regression',
    samples: judged.labels.length,
    ...regressionFigures(judged),
    perNumber: Array.from({ length: judged.width }, (_, k) => regressionFigures(column(judged, k))),
    ...(teacher === null ? {} : { agreement: regressionFigures({ ...judged, vectors: teacher }).r2 }),
    ...(against === null ? {} : { against: pairedDifference(errors(against), errors(judged.outputs)) }),
  };
}

function regressionFigures(judged: JudgedVectors): RegressionFigures {
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

/** Gives the sum of the squared errors of each row. */
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

/** Says the figures to people. @param names the numbers' names, where the recipe has some */
export function regressionLines(report: RegressionReport, names: readonly string[]): string[] {
  const { perNumber, agreement, against } = report;
  return [
    figuresText(report),
    ...(agreement === undefined ? [] : [`R2 against what the teacher gives ${figureText(agreement)}`]),
    ...(against === undefined ? [] : [againstText(against)]),
    ...(perNumber.length === 1 ? [] : perNumber.map((own, k) => `${names[k] ?? `number ${k}`}: ${figuresText(own)}`)),
  ];
}

function figuresText({ r2, mse, mae }: RegressionFigures): string {
  return `R2 ${figureText(r2)}   MSE ${mse.toPrecision(4)}   MAE ${mae.toPrecision(4)}`;
}

function figureText(value: number | null): string {
  return value === null ? '-' : value.toFixed(4);
}

function againstText({ mean, interval, p }: PairedDifference): string {
  const difference = `against the other model: mean squared error ${signed(mean)}`;
  if (interval === null || p === null) return difference;
  return `${difference}, 95 % interval ${signed(interval.low)} to ${signed(interval.high)}; p = ${p.toPrecision(3)} (paired t-test over samples)`;
}

function signed(value: number): string {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toPrecision(4)}`;
}

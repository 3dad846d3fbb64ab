/** What `eval` reports where samples have classes: figures of the whole and of each class. Pure. */
import { counted } from '../../shared/counted.js';
import { agreement, classifierReport, type ClassifierReport } from '../../shared/figures/classification.js';
import { percent } from '../../shared/figures/figures.js';
import { compareOnSamples, type PairedComparison } from '../../shared/figures/significance.js';
import { wilsonInterval, type Interval } from '../../shared/figures/statistics.js';
import { mustAt } from '../../shared/must.js';
import type { OtherOutputs } from './model-outputs.js';

/** What a model gives, beside the labels. */
export interface JudgedClasses {
  /** [samples x classes] */
  readonly logits: Float32Array;
  /** [samples]; -1 for none. */
  readonly labels: Int32Array;
  readonly classes: number;
}

export interface ClassReport extends ClassifierReport {
  /** Share of the samples for which model and teacher predict the same class. */
  readonly agreement?: number;
  /** The interval of the accuracy, at 95 %. */
  readonly accuracyInterval: Interval;
  /** By class. */
  readonly perClass: readonly ClassAccuracy[];
  /** How the model compares with the other one, sample by sample. */
  readonly against?: PairedComparison;
}

export interface ClassAccuracy {
  readonly samples: number;
  /** Share of the class's samples that are predicted right; null where it has none. */
  readonly accuracy: number | null;
  /** The interval of the accuracy, at 95 %. */
  readonly interval: Interval;
}

export function classReport(
  { logits, labels, classes }: JudgedClasses,
  { teacher, against }: OtherOutputs,
): ClassReport {
  return {
    ...withIntervals(classifierReport(logits, labels, classes)),
    ...(teacher === null ? {} : { agreement: agreement(logits, teacher, classes) }),
    ...(against === null ? {} : { against: compareOnSamples(logits, against, labels, classes) }),
  };
}

/** Adds the intervals, at 95 %, that follow from the confusion matrix. */
export function withIntervals(report: ClassifierReport): ClassReport {
  const perClass = report.confusion.map((row, k): ClassAccuracy => {
    const samples = row.reduce((sum, count) => sum + count, 0);
    const right = diagonal(row, k);
    return { samples, accuracy: samples === 0 ? null : right / samples, interval: wilsonInterval(right, samples) };
  });
  const right = report.confusion.reduce((sum, row, k) => sum + diagonal(row, k), 0);
  return { ...report, accuracyInterval: wilsonInterval(right, report.samples), perClass };
}

/** The count of a class's samples that are predicted right, from its row of the confusion matrix. */
function diagonal(row: readonly number[], k: number): number {
  const count = row[k];
  if (count === undefined) throw new Error(`a confusion matrix with ${row.length} columns and more rows`);
  return count;
}

/** Says the figures to people, then the confusion matrix, both of those classes that a sample has or was taken for. */
export function classText(name: string, report: ClassReport): string {
  const { samples, accuracy, accuracyInterval, top5, loss, calibrationError, confusion } = report;
  const met = confusion.flatMap((row, k) => (row.some(Boolean) || confusion.some((other) => other[k]) ? [k] : []));
  const unmet = [...confusion.keys()].filter((k) => !met.includes(k));
  const width = Math.max(5, ...confusion.flat().map((count) => String(count).length + 1));
  const line = (cells: readonly (string | number)[]): string =>
    cells.map((cell) => String(cell).padStart(width)).join('');
  return [
    `${name}: ${counted(samples, 'sample')}`,
    `accuracy ${percent(accuracy)} ${between(accuracyInterval)}   top-5 ${percent(top5)}   loss ${loss.toFixed(4)}   calibration error ${percent(calibrationError)}`,
    ...(report.agreement === undefined ? [] : [`agreement with the teacher ${percent(report.agreement)}`]),
    ...(report.against === undefined ? [] : [againstText(report.against)]),
    ...met.map((k) => `class ${k}: ${accuracyText(mustAt(report.perClass, k, 'class'))}`),
    ...(unmet.length === 0 ? [] : [unmetText(unmet, confusion.length)]),
    'confusion (rows: label, columns: prediction)',
    line(['', ...met]),
    ...met.map((k) => line([k, ...met.map((column) => mustAt(mustAt(confusion, k, 'row'), column, 'count'))])),
  ].join('\n');
}

const mostNamed = 10;

function unmetText(unmet: readonly number[], classes: number): string {
  const more = unmet.length > mostNamed ? ` and ${unmet.length - mostNamed} more` : '';
  return `no sample of, and none taken for, ${unmet.length} of ${classes} classes: ${unmet.slice(0, mostNamed).join(', ')}${more}`;
}

function accuracyText({ samples, accuracy, interval }: ClassAccuracy): string {
  return accuracy === null ? 'no samples' : `${percent(accuracy)} ${between(interval)} of ${samples}`;
}

function between({ low, high }: Interval): string {
  return `(95 %: ${percent(low)} to ${percent(high)})`;
}

function againstText({ onlyFirst, onlySecond, difference, p }: PairedComparison): string {
  const points = `${difference < 0 ? '' : '+'}${(difference * 100).toFixed(2)}`;
  return `against the other model ${points} points: ${counted(onlyFirst, 'sample')} right here alone, ${onlySecond} there alone; p = ${p.toPrecision(3)} (exact McNemar test)`;
}

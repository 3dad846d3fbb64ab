/** What `eval` reports of sequences: figures over the positions that have a label, and over whole sequences. Pure. */
import { counted } from '../../shared/counted.js';
import { wilsonInterval, type Interval } from '../../shared/figures/statistics.js';
import {
  agreeingWhereLabelled,
  classifierReport,
  exactSequences,
  type ClassifierReport,
} from '../../shared/figures/classification.js';
import { percent } from '../../shared/figures/figures.js';
import { discordanceOf, type Discordance } from '../../shared/figures/significance.js';
import type { OtherOutputs } from './model-outputs.js';

/** What a model gives of sequences, beside the labels. */
export interface JudgedSequences {
  /** [samples x positions x classes] */
  readonly logits: Float32Array;
  /** [samples x positions]; positions with a label of -1 are left out. */
  readonly labels: Int32Array;
  readonly positions: number;
  readonly classes: number;
}

export interface SequenceReport extends Omit<ClassifierReport, 'samples'> {
  readonly task: 'sequence';
  /** Positions with a label. Those of one sequence are not independent, so their accuracy has no interval. */
  readonly positions: number;
  readonly sequences: number;
  /** Share of the sequences whose labels are all predicted right. */
  readonly exactMatch: number;
  /** The interval of the exact match, at 95 %. */
  readonly exactMatchInterval: Interval;
  /** Share of the positions at which model and teacher prefer the same class. */
  readonly agreement?: number;
  /** How many whole sequences only this model gets right, and how many only the other one. */
  readonly against?: Discordance;
}

export function sequenceReport(judged: JudgedSequences, { teacher, against }: OtherOutputs): SequenceReport {
  const { logits, labels, positions, classes } = judged;
  const { samples, ...report } = classifierReport(logits, labels, classes);
  const { sequences, exact } = exactSequences(logits, labels, { rows: labels.length / positions, positions, classes });
  const agreeing = (ensemble: Float32Array): number => agreeingWhereLabelled(labels, { logits, ensemble }, classes);
  return {
    task: 'sequence',
    ...report,
    positions: samples,
    sequences,
    exactMatch: exact / Math.max(1, sequences),
    exactMatchInterval: wilsonInterval(exact, sequences),
    ...(teacher === null ? {} : { agreement: agreeing(teacher) / Math.max(1, samples) }),
    ...(against === null ? {} : { against: compareExact(judged, against) }),
  };
}

function compareExact({ logits, labels, positions, classes }: JudgedSequences, other: Float32Array): Discordance {
  const isExactIn =
    (values: Float32Array) =>
    (sequence: number): boolean => {
      const [from, to] = [sequence * positions, (sequence + 1) * positions];
      const own = values.subarray(from * classes, to * classes);
      return exactSequences(own, labels.subarray(from, to), { rows: 1, positions, classes }).exact === 1;
    };
  return discordanceOf(labels.length / positions, { first: isExactIn(logits), second: isExactIn(other) });
}

/** Says the figures to people. @param names the classes' names, where the recipe has some */
export function sequenceText(name: string, report: SequenceReport, names: readonly string[] = []): string {
  const {
    exactMatchInterval: { low, high },
    agreement,
    against,
    confusion,
  } = report;
  return [
    `${name}: ${counted(report.positions, 'position')} of ${counted(report.sequences, 'sequence')}`,
    `token accuracy ${percent(report.accuracy)}   exact match ${percent(report.exactMatch)} (95 %: ${percent(low)} to ${percent(high)})   loss ${report.loss.toFixed(4)}   calibration error ${percent(report.calibrationError)}`,
    ...(agreement === undefined ? [] : [`agreement with the teacher ${percent(agreement)} of the positions`]),
    ...(against === undefined
      ? []
      : [
          `against the other model: ${counted(against.onlyFirst, 'sequence')} right here alone, ${against.onlySecond} there alone; p = ${against.p.toPrecision(3)} (exact McNemar test)`,
        ]),
    ...confusion.map((row, k) => {
      const positions = row.reduce((sum, count) => sum + count, 0);
      return `${names[k] ?? `class ${k}`}: ${positions === 0 ? 'no positions' : `${percent((row[k] ?? 0) / positions)} of ${positions}`}`;
    }),
  ].join('\n');
}

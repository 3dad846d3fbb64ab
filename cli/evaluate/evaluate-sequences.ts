/** What `eval` reports of sequences: figures over the positions that have a label, and over whole sequences. Pure. */
import { wilsonInterval, type Interval } from '../../shared/figures/statistics.js';
import {
  agreeingWhereLabelled,
  classifierReport,
  exactSequences,
  type ClassifierReport,
} from '../../shared/figures/classification.js';
import { discordanceOf, type Discordance } from '../../shared/figures/significance.js';

export interface SequenceReport extends Omit<ClassifierReport, 'samples'> {
  readonly task: 'sequence';
  /** With a label. Those of one sequence are not independent, so no interval is told of their accuracy. */
  readonly positions: number;
  readonly sequences: number;
  /** Share of the sequences whose labels are all told rightly; its interval is at 95 %. */
  readonly exactMatch: number;
  readonly exactMatchInterval: Interval;
  /** Share of the positions at which model and teacher prefer the same class. */
  readonly agreement?: number;
  /** Of whole sequences. */
  readonly against?: Discordance;
}

/** All [samples x positions x classes] and [samples x positions]; labels of -1 are left out. */
export interface Sequences {
  readonly logits: Float32Array;
  readonly labels: Int32Array;
  readonly positions: number;
  readonly classes: number;
  readonly teacher: Float32Array | null;
  readonly against: Float32Array | null;
}

export function sequenceReport({ logits, labels, positions, classes, teacher, against }: Sequences): SequenceReport {
  const { samples, ...report } = classifierReport(logits, labels, classes);
  const { sequences, exact } = exactSequences(logits, labels, { rows: labels.length / positions, positions, classes });
  return {
    task: 'sequence',
    ...report,
    positions: samples,
    sequences,
    exactMatch: exact / Math.max(1, sequences),
    exactMatchInterval: wilsonInterval(exact, sequences),
    ...(teacher === null
      ? {}
      : { agreement: agreeingWhereLabelled(labels, { logits, ensemble: teacher }, classes) / Math.max(1, samples) }),
    ...(against === null ? {} : { against: compareExact({ logits, labels, positions, classes }, against) }),
  };
}

function compareExact(
  { logits, labels, positions, classes }: Pick<Sequences, 'logits' | 'labels' | 'positions' | 'classes'>,
  other: Float32Array,
): Discordance {
  const exactIn =
    (values: Float32Array) =>
    (sequence: number): boolean => {
      const [from, to] = [sequence * positions, (sequence + 1) * positions];
      return (
        exactSequences(values.subarray(from * classes, to * classes), labels.subarray(from, to), {
          rows: 1,
          positions,
          classes,
        }).exact === 1
      );
    };
  return discordanceOf(labels.length / positions, { first: exactIn(logits), second: exactIn(other) });
}

/** For people. @param names of the classes, where the recipe has some */
export function sequenceText(name: string, report: SequenceReport, names: readonly string[] = []): string {
  const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
  const {
    exactMatchInterval: { low, high },
    agreement,
    against,
    confusion,
  } = report;
  return [
    `${name}: ${report.positions} positions of ${report.sequences} sequences`,
    `token accuracy ${percent(report.accuracy)}   exact match ${percent(report.exactMatch)} (95 %: ${percent(low)} to ${percent(high)})   loss ${report.loss.toFixed(4)}   calibration error ${percent(report.calibrationError)}`,
    ...(agreement === undefined ? [] : [`agreement with the teacher ${percent(agreement)} of the positions`]),
    ...(against === undefined
      ? []
      : [
          `against the other model: ${against.onlyFirst} sequences right here alone, ${against.onlySecond} there alone; p = ${against.p.toPrecision(3)} (exact McNemar test)`,
        ]),
    ...confusion.map((row, k) => {
      const positions = row.reduce((sum, count) => sum + count, 0);
      return `${names[k] ?? `class ${k}`}: ${positions === 0 ? 'no positions' : `${percent((row[k] ?? 0) / positions)} of ${positions}`}`;
    }),
  ].join('\n');
}

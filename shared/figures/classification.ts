/** What a classifier's logits say about its quality, against the samples' labels. Pure: arrays in, numbers out. */
import { perSample } from './sum-names.js';

export interface ClassifierReport {
  readonly samples: number;
  readonly accuracy: number;
  /** Share of samples whose class is among the five largest logits (all of them for fewer classes). */
  readonly top5: number;
  /** Mean cross entropy in nats. */
  readonly loss: number;
  /** Expected calibration error over 15 equal-width bins of confidence (Guo et al. 2017). */
  readonly calibrationError: number;
  /** confusion[label][prediction] */
  readonly confusion: readonly (readonly number[])[];
}

/** Bins of confidence. */
export const calibrationBins = 15;

/** Index of the largest of the `classes` values from place `at` on; the first of equals. */
export function argMax(logits: Float32Array, at: number, classes: number): number {
  let best = 0;
  for (let k = 1; k < classes; k++) if ((logits[at + k] ?? 0) > (logits[at + best] ?? 0)) best = k;
  return best;
}

/** log(sum(exp(x))) of one row, computed as max + log(sum(exp(x - max))) so that logits of any size keep it finite. */
function logSumExp(logits: Float32Array, at: number, classes: number): number {
  let max = -Infinity;
  for (let k = 0; k < classes; k++) max = Math.max(max, logits[at + k] ?? 0);
  let sum = 0;
  for (let k = 0; k < classes; k++) sum += Math.exp((logits[at + k] ?? 0) - max);
  return max + Math.log(sum);
}

/** Number of classes whose logit is strictly larger than that of `label`. */
function rankOf(label: number, logits: Float32Array, at: number, classes: number): number {
  const own = logits[at + label] ?? 0;
  let rank = 0;
  for (let k = 0; k < classes; k++) if ((logits[at + k] ?? 0) > own) rank++;
  return rank;
}

/**
 * For each bin of confidence the sum over its labelled samples of confidence minus hit, which is 1 where the prediction
 * is right and else 0; empty bins are left out. The gaps of parts of a set add up, and the expected calibration error is
 * the sum of their absolute values over the number of samples (Guo et al. 2017).
 * @param logits [samples x classes] @param labels [samples], -1 for none
 */
export function calibrationGaps(logits: Float32Array, labels: Int32Array, classes: number): Map<number, number> {
  return new Map([...calibrationOf(logits, labels, classes)].map(([bin, { gap }]) => [bin, gap]));
}

/** The samples of a bin of confidence. */
export interface CalibrationBin {
  readonly samples: number;
  readonly correct: number;
  /** Sum of confidence minus hit. */
  readonly gap: number;
}

/** The same bins with the numbers of their samples. A sample whose confidence is no number is in none of them. */
export function calibrationOf(logits: Float32Array, labels: Int32Array, classes: number): Map<number, CalibrationBin> {
  const bins = new Map<number, CalibrationBin>();
  labels.forEach((label, i) => {
    if (label < 0) return;
    const at = i * classes;
    const predicted = argMax(logits, at, classes);
    const confidence = Math.exp((logits[at + predicted] ?? 0) - logSumExp(logits, at, classes));
    // Of infinite logits it is no number, and lies in no bin.
    if (!Number.isFinite(confidence)) return;
    const bin = Math.min(calibrationBins - 1, Math.floor(confidence * calibrationBins));
    const held = bins.get(bin) ?? { samples: 0, correct: 0, gap: 0 };
    const hit = predicted === label ? 1 : 0;
    bins.set(bin, { samples: held.samples + 1, correct: held.correct + hit, gap: held.gap + confidence - hit });
  });
  return bins;
}

/** The labelled samples by `LABEL.PREDICTION`, of those pairs that occur. @param logits [samples x classes] */
export function confusionOf(logits: Float32Array, labels: Int32Array, classes: number): Map<string, number> {
  const cells = new Map<string, number>();
  labels.forEach((label, i) => {
    if (label < 0) return;
    const cell = `${label}.${argMax(logits, i * classes, classes)}`;
    cells.set(cell, (cells.get(cell) ?? 0) + 1);
  });
  return cells;
}

/** @param logits [samples x classes] @param labels [samples]; a sample of label -1 is left out */
export function classifierReport(logits: Float32Array, labels: Int32Array, classes: number): ClassifierReport {
  const confusion = new Int32Array(classes * classes);
  let inTop5 = 0;
  labels.forEach((label, i) => {
    if (label < 0) return;
    const at = label * classes + argMax(logits, i * classes, classes);
    confusion[at] = (confusion[at] ?? 0) + 1;
    if (rankOf(label, logits, i * classes, classes) < 5) inTop5++;
  });
  const gaps = [...calibrationGaps(logits, labels, classes).values()];
  const { labelled, correct } = hitsOf(logits, labels, classes);
  return {
    samples: labelled,
    accuracy: perSample(correct, labelled),
    top5: perSample(inTop5, labelled),
    loss: perSample(crossEntropySum(logits, labels, classes), labelled),
    calibrationError: perSample(
      gaps.reduce((sum, gap) => sum + Math.abs(gap), 0),
      labelled,
    ),
    confusion: Array.from({ length: classes }, (_, k) => [...confusion.subarray(k * classes, (k + 1) * classes)]),
  };
}

/** Labelled samples, and those among them whose largest logit is the label's. */
export function hitsOf(
  logits: Float32Array,
  labels: Int32Array,
  classes: number,
): { labelled: number; correct: number } {
  let [labelled, correct] = [0, 0];
  labels.forEach((label, row) => {
    if (label < 0) return;
    labelled++;
    if (argMax(logits, row * classes, classes) === label) correct++;
  });
  return { labelled, correct };
}

/** Sum over the labelled samples of the cross entropy, -log softmax(logits)[label], in nats and in float64. */
export function crossEntropySum(logits: Float32Array, labels: Int32Array, classes: number): number {
  let loss = 0;
  labels.forEach((label, row) => {
    const at = row * classes;
    if (label >= 0) loss += logSumExp(logits, at, classes) - (logits[at + label] ?? 0);
  });
  return loss;
}

/**
 * Sequences with a label somewhere, and those of them whose labelled positions are all right.
 * @param logits [rows x positions x classes]; @param labels [rows x positions], -1 for none
 */
export function exactSequences(
  logits: Float32Array,
  labels: Int32Array,
  { rows, positions, classes }: { readonly rows: number; readonly positions: number; readonly classes: number },
): { sequences: number; exact: number } {
  let [sequences, exact] = [0, 0];
  for (let row = 0; row < rows; row++) {
    const own = labels.subarray(row * positions, (row + 1) * positions);
    if (own.every((label) => label < 0)) continue;
    sequences++;
    if (own.every((label, at) => label < 0 || argMax(logits, (row * positions + at) * classes, classes) === label))
      exact++;
  }
  return { sequences, exact };
}

/** Samples, labelled or not, on which two models predict the same class. */
export function agreeing(a: Float32Array, b: Float32Array, classes: number): number {
  let same = 0;
  for (let at = 0; at < a.length; at += classes) if (argMax(a, at, classes) === argMax(b, at, classes)) same++;
  return same;
}

/** Labelled samples on which a model and the ensemble predict the same class. */
export function agreeingWhereLabelled(
  labels: Int32Array,
  { logits, ensemble }: { readonly logits: Float32Array; readonly ensemble: Float32Array },
  classes: number,
): number {
  return labels.reduce(
    (same, label, row) =>
      label >= 0 && argMax(logits, row * classes, classes) === argMax(ensemble, row * classes, classes)
        ? same + 1
        : same,
    0,
  );
}

/** The share of the samples on which two models predict the same class; 0 for no samples. */
export function agreement(a: Float32Array, b: Float32Array, classes: number): number {
  return a.length === 0 ? 0 : agreeing(a, b, classes) / (a.length / classes);
}

/** Whether two models differ on the same samples. Pure. */
import { argMax } from './classification.js';

/** On which of the same cases two models differ. */
export interface Discordance {
  /** Cases that only the first, or only the second model gets right. */
  readonly onlyFirst: number;
  readonly onlySecond: number;
  /** Two-sided p-value of the exact McNemar test: how likely so uneven a split is if both models are equally good. */
  readonly p: number;
}

export interface PairedComparison extends Discordance {
  /** Accuracy of the first less that of the second. */
  readonly difference: number;
}

/** @param isRight whether each model gets case i right, of 0 .. cases - 1 */
export function discordanceOf(
  cases: number,
  isRight: { readonly first: (i: number) => boolean; readonly second: (i: number) => boolean },
): Discordance {
  let [onlyFirst, onlySecond] = [0, 0];
  for (let i = 0; i < cases; i++) {
    const [a, b] = [isRight.first(i), isRight.second(i)];
    if (a && !b) onlyFirst++;
    if (b && !a) onlySecond++;
  }
  return { onlyFirst, onlySecond, p: exactMcNemar(onlyFirst, onlySecond) };
}

/**
 * Compares two classifiers on the same samples.
 * @param first, second logits [samples x classes] @param labels [samples]; a sample of label -1 is left out
 */
export function compareOnSamples(
  first: Float32Array,
  second: Float32Array,
  labels: Int32Array,
  classes: number,
): PairedComparison {
  const samples = labels.reduce((count, label) => (label < 0 ? count : count + 1), 0);
  // No class is -1, so both are wrong on a sample without a label, and it counts for neither.
  const rightIn =
    (logits: Float32Array) =>
    (i: number): boolean =>
      argMax(logits, i * classes, classes) === labels[i];
  const found = discordanceOf(labels.length, { first: rightIn(first), second: rightIn(second) });
  return { ...found, difference: samples === 0 ? 0 : (found.onlyFirst - found.onlySecond) / samples };
}

/**
 * The exact McNemar test (McNemar 1947): the two-sided p-value of b cases that only the first model and c that only the
 * second gets right, min(1, 2 sum over i <= min(b, c) of C(b + c, i) / 2^(b + c)). It is computed in log space, so that
 * it holds for any counts.
 */
export function exactMcNemar(onlyFirst: number, onlySecond: number): number {
  const discordant = onlyFirst + onlySecond;
  let logTerm = -discordant * Math.LN2;
  let tail = Math.exp(logTerm);
  for (let i = 1; i <= Math.min(onlyFirst, onlySecond); i++) {
    logTerm += Math.log((discordant - i + 1) / i);
    tail += Math.exp(logTerm);
  }
  return Math.min(1, 2 * tail);
}

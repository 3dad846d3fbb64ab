/** Whether two models differ on the same samples. Pure. */
import { argMax } from './metrics.js';

export interface PairedComparison {
  /** Labelled samples that only the first, or only the second model gets right. */
  readonly onlyFirst: number;
  readonly onlySecond: number;
  /** Accuracy of the first less that of the second. */
  readonly difference: number;
  /** Two-sided p-value of the exact McNemar test: how likely so uneven a split is if both models are equally good. */
  readonly p: number;
}

/** @param first, second logits [samples x classes] of the same samples; @param labels [samples], -1 for none: left out */
export function compareOnSamples(first: Float32Array, second: Float32Array, labels: Int32Array, classes: number): PairedComparison {
  let [onlyFirst, onlySecond, samples] = [0, 0, 0];
  labels.forEach((label, i) => {
    if (label < 0) return;
    samples++;
    const [a, b] = [argMax(first, i * classes, classes) === label, argMax(second, i * classes, classes) === label];
    if (a && !b) onlyFirst++;
    if (b && !a) onlySecond++;
  });
  return { onlyFirst, onlySecond, difference: samples === 0 ? 0 : (onlyFirst - onlySecond) / samples, p: exactMcNemar(onlyFirst, onlySecond) };
}

/** min(1, 2 sum over i <= min(b, c) of C(b + c, i) / 2^(b + c)) (McNemar 1947, exact form); in log space, for any counts. */
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

/**
 * What a row of soft labels can be, whoever made it: a distribution's probabilities lie in [0, 1] and sum to 1, and no
 * value is so large that it could only be damage or a lie. A row that is possible need not be right. Pure.
 */

/**
 * The largest absolute value of a logit, a regression's or an embedding's value, or a logarithm of a probability. A
 * million squares of it still are a finite float32, so no loss on such a row overflows.
 */
export const largestLabelValue = 1e9;

/** How far the sum of a row's probabilities may be from 1, as it is kept. */
export interface Tolerance {
  /** The relative error of each logarithm. */
  readonly relative: number;
  readonly classes: number;
}

/**
 * The tolerance in numbers: a relative error e of every log p changes the sum of p by at most e times the entropy, which
 * is log(classes) at most. Twice that is allowed, and 2^-20 for what is rounded elsewhere.
 */
export function sumTolerance({ relative, classes }: Tolerance): number {
  return 2 * relative * Math.log(classes) + 2 ** -20;
}

/** Why these cannot be values of a label; null where they can. @param valueAt the value of each class */
export function valueFault(valueAt: (k: number) => number, classes: number): string | null {
  for (let k = 0; k < classes; k++) {
    const value = valueAt(k);
    if (!Number.isFinite(value)) return `a value that is not finite`;
    if (Math.abs(value) > largestLabelValue)
      return `a value of ${value.toPrecision(3)}; at most ${largestLabelValue} was wanted`;
  }
  return null;
}

/**
 * Why the probabilities, given by their logarithms, are none of a distribution; null where they are.
 *
 * @param rest probability of all that has no logarithm of its own
 */
export function distributionFault(
  logAt: (k: number) => number,
  count: number,
  { rest, tolerance }: { readonly rest: number; readonly tolerance: number },
): string | null {
  let sum = rest;
  for (let k = 0; k < count; k++) {
    const p = Math.exp(logAt(k));
    if (p > 1 + tolerance) return `a probability of ${p.toPrecision(3)}; at most 1 was wanted`;
    sum += p;
  }
  return Math.abs(sum - 1) <= tolerance ? null : `probabilities that sum to ${sum.toPrecision(6)}; 1 was wanted`;
}

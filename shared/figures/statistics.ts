/** How sure a figure is: intervals of shares, means and deviations over runs, and the difference of pairs. Pure. */

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** The 97.5 % quantile of the standard normal distribution: two-sided 95 %. */
const z = 1.959963984540054;

/**
 * Wilson's score interval of the share p = right / samples, at 95 %:
 * (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n) for n samples (Wilson 1927).
 * @param right an integer, 0 <= right <= samples @returns [0, 1] for no samples
 */
export function wilsonInterval(right: number, samples: number): Interval {
  if (samples === 0) return { low: 0, high: 1 };
  const share = right / samples;
  const scale = 1 + z ** 2 / samples;
  const middle = (share + z ** 2 / (2 * samples)) / scale;
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / samples + z ** 2 / (4 * samples ** 2));
  return { low: right === 0 ? 0 : middle - half, high: right === samples ? 1 : middle + half };
}

export interface Spread {
  readonly mean: number;
  /** Standard deviation of the sample, sqrt(sum of squares / (n - 1)); null for one value. */
  readonly deviation: number | null;
}

export interface PairedDifference extends Spread {
  /** Interval of the mean at 95 %; null for one pair. */
  readonly interval: { readonly low: number; readonly high: number } | null;
  /**
   * Two-sided p-value of the paired t-test: how likely so large a mean difference is if there is none. Null for one
   * pair.
   */
  readonly p: number | null;
}

/** @param values at least one */
export function spreadOf(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length < 2) return { mean, deviation: null };
  return {
    mean,
    deviation: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1)),
  };
}

/**
 * The paired t-test (Student 1908) of second less first, pair by pair.
 * @param first, second equally many values, at least one
 */
export function pairedDifference(first: readonly number[], second: readonly number[]): PairedDifference {
  const differences = second.map((value, i) => {
    const other = first[i];
    if (other === undefined) throw new Error(`${first.length} values to pair with ${second.length}`);
    return value - other;
  });
  const { mean, deviation } = spreadOf(differences);
  if (deviation === null) return { mean, deviation, interval: null, p: null };
  const [degrees, error] = [first.length - 1, deviation / Math.sqrt(first.length)];
  const half = tQuantile(0.95, degrees) * error;
  const p = error === 0 ? (mean === 0 ? 1 : 0) : 1 - withinT(Math.abs(mean) / error, degrees);
  return { mean, deviation, interval: { low: mean - half, high: mean + half }, p };
}

/**
 * The share of Student's t distribution within -t and t, for a whole number of degrees of freedom: the finite sums of
 * Abramowitz and Stegun 26.7.3 and 26.7.4. @param t at least 0
 */
export function withinT(t: number, degrees: number): number {
  const angle = Math.atan(t / Math.sqrt(degrees));
  const square = Math.cos(angle) ** 2;
  const isOdd = degrees % 2 === 1;
  let term = isOdd ? Math.cos(angle) : 1;
  let sum = degrees === 1 ? 0 : term;
  for (let k = isOdd ? 3 : 2; k < degrees; k += 2) {
    term *= ((k - 1) / k) * square;
    sum += term;
  }
  return isOdd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
}

/** The t within which, to both sides, lies this share of the distribution. */
export function tQuantile(share: number, degrees: number): number {
  let [low, high] = [0, 1];
  while (withinT(high, degrees) < share) high *= 2;
  while (high - low > 1e-12 * high) {
    const middle = (low + high) / 2;
    if (withinT(middle, degrees) < share) low = middle;
    else high = middle;
  }
  return high;
}

/**
 * What a model's outputs say about its quality where samples have target vectors. Pure: arrays in, sums and figures
 * out. Sums of parts add up; figures are made of the whole's. A label applies where its target, or its probability, is
 * at least a half, which is a logit of at least 0.
 */

export interface Judged {
  /** [rows x width]: numbers, or logits of labels. */
  readonly outputs: Float32Array;
  /** [rows x width] */
  readonly vectors: Float32Array;
  /** [rows]; below 0: the row has no target and is left out. */
  readonly labels: Int32Array;
  readonly width: number;
}

/** Calls `visit` with the place of each row that has a target. */
function eachRow({ labels, width }: Judged, visit: (at: number, row: number) => void): void {
  labels.forEach((label, row) => {
    if (label >= 0) visit(row * width, row);
  });
}

export interface RegressionSums {
  /** Over the rows: means over the vector of the squared, and of the absolute error. */
  readonly squares: number;
  readonly absolutes: number;
}

export function regressionSums(judged: Judged): RegressionSums {
  let [squares, absolutes] = [0, 0];
  eachRow(judged, (at) => {
    let [square, absolute] = [0, 0];
    for (let k = at; k < at + judged.width; k++) {
      const off = (judged.outputs[k] ?? 0) - (judged.vectors[k] ?? 0);
      square += off * off;
      absolute += Math.abs(off);
    }
    squares += square / judged.width;
    absolutes += absolute / judged.width;
  });
  return { squares, absolutes };
}

/** What always giving the means would have for `squares`. @param means of each number, [width] */
export function spreadAbout(judged: Judged, means: readonly number[]): number {
  let spread = 0;
  eachRow(judged, (at) => {
    let square = 0;
    for (let k = 0; k < judged.width; k++) square += ((judged.vectors[at + k] ?? 0) - (means[k] ?? 0)) ** 2;
    spread += square / judged.width;
  });
  return spread;
}

export interface MultiLabelSums {
  /** Labels that were told rightly, that were told, and that there are, over all rows and labels. */
  readonly hits: number;
  readonly told: number;
  readonly actual: number;
  /** Rows all of whose labels are right; and over the rows the share of the labels that are. */
  readonly exact: number;
  readonly right: number;
  /** Binary cross entropy in nats, summed over labels and rows. */
  readonly loss: number;
}

export function multiLabelSums(judged: Judged): MultiLabelSums {
  const sums = { hits: 0, told: 0, actual: 0, exact: 0, right: 0, loss: 0 };
  eachRow(judged, (at) => {
    let right = 0;
    for (let k = at; k < at + judged.width; k++) {
      const [z, target] = [judged.outputs[k] ?? 0, judged.vectors[k] ?? 0];
      const [isTold, is] = [z >= 0, target >= 0.5];
      if (isTold) sums.told++;
      if (is) sums.actual++;
      if (isTold && is) sums.hits++;
      if (isTold === is) right++;
      sums.loss += Math.max(z, 0) - z * target + Math.log1p(Math.exp(-Math.abs(z)));
    }
    sums.right += right / judged.width;
    if (right === judged.width) sums.exact++;
  });
  return sums;
}

/**
 * How much more often labels are told where they apply than their frequencies would have it: the sum over rows of
 * s = sum_k (target_k - frequency_k) [label k is told], whose mean is 0 for whoever does not look at the sample, and
 * the sum of s^2, by which chance can be told.
 */
export function skillOf(judged: Judged, frequencies: readonly number[]): { skill: number; skillSquares: number } {
  let [skill, skillSquares] = [0, 0];
  eachRow(judged, (at) => {
    let own = 0;
    for (let k = 0; k < judged.width; k++)
      if ((judged.outputs[at + k] ?? 0) >= 0) own += (judged.vectors[at + k] ?? 0) - (frequencies[k] ?? 0);
    skill += own;
    skillSquares += own * own;
  });
  return { skill, skillSquares };
}

/** By label: told rightly, told, and there. */
export function labelCounts(judged: Judged): { hits: number; told: number; actual: number }[] {
  const counts = Array.from({ length: judged.width }, () => ({ hits: 0, told: 0, actual: 0 }));
  eachRow(judged, (at) => {
    counts.forEach((count, k) => {
      const [isTold, is] = [(judged.outputs[at + k] ?? 0) >= 0, (judged.vectors[at + k] ?? 0) >= 0.5];
      if (isTold) count.told++;
      if (is) count.actual++;
      if (isTold && is) count.hits++;
    });
  });
  return counts;
}

/** Share of the labels, over all rows, that both tell alike. @param first, second logits */
export function alike(first: Float32Array, second: Float32Array): number {
  let same = 0;
  first.forEach((z, i) => {
    if (z >= 0 === (second[i] ?? 0) >= 0) same++;
  });
  return first.length === 0 ? 0 : same / first.length;
}

/**
 * Average precision of a ranking: the mean, over those that apply, of the precision down to each (equal scores are one
 * step).
 * @param scores, applies of the same samples @returns null where none applies
 */
export function averagePrecision(scores: ArrayLike<number>, applies: readonly boolean[]): number | null {
  const order = [...applies.keys()].sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
  let [seen, found, sum] = [0, 0, 0];
  while (seen < order.length) {
    const score = scores[order[seen] ?? 0];
    let here = 0;
    while (seen < order.length && scores[order[seen] ?? 0] === score) if (applies[order[seen++] ?? 0] === true) here++;
    found += here;
    sum += (here * found) / seen;
  }
  return found === 0 ? null : sum / found;
}

/**
 * What each row of a micro-batch counts for in a term, sample weights and mixed rows included: as parts.ts takes it, for
 * who computes the rows' values elsewhere. Pure but for the arrays that are filled.
 */
import type { TermAtStep } from '../../../shared/recipe/schedules.js';
import type { Targets } from '../contract.js';

type Over = Pick<TermAtStep, 'over'>;

/** Fills [rows] with what the rows' values are multiplied by; 0 for a row that the term does not apply to. */
export function rowWeights({ over }: Over, targets: Targets, into: Float64Array): void {
  const { labels, weights, mixed } = targets;
  const isOverLabels = over === 'labelled';
  const weightOf = (label: number, weight: number): number => (isOverLabels && label < 0 ? 0 : weight);
  for (let row = 0; row < into.length; row++) {
    const own = weightOf(labels[row] ?? -1, weights?.[row] ?? 1);
    // Without weights of its own a micro-batch over all samples has none of the others' either.
    const hasOther = mixed !== undefined && (isOverLabels || weights !== undefined);
    into[row] = hasOther
      ? mixed.share * own + (1 - mixed.share) * weightOf(mixed.labels[row] ?? -1, mixed.weights?.[row] ?? 1)
      : own;
  }
}

/** Fills [rows x classes] with each row's weight at its label's class, and of a mixed row with both shares. */
export function weightedLabels({ labels, weights, mixed }: Targets, classes: number, into: Float64Array): void {
  into.fill(0);
  const put = (row: number, label: number, weight: number): void => {
    if (label >= 0) into[row * classes + label] = (into[row * classes + label] ?? 0) + weight;
  };
  const share = mixed?.share ?? 1;
  labels.forEach((label, row) => {
    put(row, label, share * (weights?.[row] ?? 1));
    if (mixed !== undefined) put(row, mixed.labels[row] ?? -1, (1 - share) * (mixed.weights?.[row] ?? 1));
  });
}

/** How many rows a term's sum is over, or the sum of their weights; of a mixed row its own label counts. */
export function countOfRows({ over }: Over, { labels, weights, mixed }: Targets): number {
  const applies = (row: number): boolean => over === 'samples' || (labels[row] ?? -1) >= 0;
  if (weights === undefined) return labels.reduce((count, _, row) => count + (applies(row) ? 1 : 0), 0);
  const share = over === 'samples' ? (mixed?.share ?? 1) : 1;
  return weights.reduce(
    (sum, weight, row) =>
      applies(row) ? sum + share * weight + (share < 1 ? (1 - share) * (mixed?.weights?.[row] ?? 1) : 0) : sum,
    0,
  );
}

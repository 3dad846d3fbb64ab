/**
 * Which trials end before their last epoch: asynchronous successive halving (Li, Jamieson, Rostamizadeh, Gonina, Hardt,
 * Recht and Talwalkar, A System for Massively Parallel Hyperparameter Tuning, 2020) in its stopping form. At the epochs
 * r, r x f, r x f^2, ... (its rungs) a trial goes on if it is among the best n / f of the n that have come so far, itself
 * included, or the best of them all. Trials run one after another, so that the first ones have little to be compared with
 * and go on more often; none waits for another, and none that has ended is taken up again. Pure.
 */

/** The recipe's `search.halving`; null: no trial ends early. */
export type Halving = { readonly factor: number; readonly firstEpoch: number } | null;

/**
 * Whether trials are compared at the end of an epoch.
 * @param epoch counted from 1
 * @param epochs of a whole trial; at the last one there is nothing left to stop
 */
export function isRung(halving: Halving, epoch: number, epochs: number): boolean {
  if (halving === null || epoch >= epochs) return false;
  let rung = halving.firstEpoch;
  while (rung < epoch) rung *= halving.factor;
  return rung === epoch;
}

/**
 * Whether a trial goes on behind a rung. Of equal trials the one that came first is the better.
 * @param own its cost there, the less the better
 * @param others the costs of all trials that came to this rung before it
 */
export function goesOn({ factor }: NonNullable<Halving>, own: number, others: readonly number[]): boolean {
  const better = others.filter((cost) => cost <= own).length;
  return better < Math.max(1, Math.floor((others.length + 1) / factor));
}

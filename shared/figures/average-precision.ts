/** How well scores rank the samples to which a label applies. Pure. */

/**
 * Average precision: the mean, over the samples to which the label applies, of the precision among all samples that are
 * ranked as high. Samples with equal scores are one step of the ranking.
 * @param scores, applies of the same samples @returns null where the label applies to none
 */
export function averagePrecision(scores: Float32Array | readonly number[], applies: readonly boolean[]): number | null {
  const ranked = Array.from(scores, (score, i) => ({ score, isActual: applies[i] === true }));
  ranked.sort((a, b) => b.score - a.score);
  let [found, sum] = [0, 0];
  for (let from = 0, to = 1; from < ranked.length; from = to, to = from + 1) {
    while (to < ranked.length && ranked[to]?.score === ranked[from]?.score) to++;
    const here = ranked.slice(from, to).filter(({ isActual }) => isActual).length;
    found += here;
    sum += (here * found) / to;
  }
  return found === 0 ? null : sum / found;
}

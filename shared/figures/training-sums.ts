/**
 * The sums of a training step, of any task. Pure.
 *
 *   samples             samples of the step
 *   TERM, TERM.count    sum of a loss term's unweighted values, and over how many samples (positions, or weights)
 *   labelled, correct   labelled samples, and those whose largest logit is the label's; none of target vectors
 *   ensemble.samples, ensemble.agree, ensemble.entropy
 *                       samples compared with the ensemble's label, those of them on which the student prefers the same
 *                       class, and the sum of the labels' entropies in nats
 *   gradient.TERM       norm of the term's gradient in an epoch's first micro-batch
 */
import type { Sums } from '../replica/reduction/contribution.js';
import { SumFamily, SumGroup, perSample } from './sum-names.js';

const hits = new SumGroup({ labelled: 'labelled', correct: 'correct' });
const imitation = new SumGroup({ agree: 'agree', entropy: 'entropy', samples: 'samples' });
const gradients = new SumFamily('gradient.');

const countOf = (term: string): string => `${term}.count`;

/** @param value sum of a loss term over `count` samples, unweighted */
export function termSums(term: string, value: number, count: number): Sums {
  return { [term]: value, [countOf(term)]: count };
}

/** A step's sums as a commit's journal line has them: those of the loss terms, their counts, and the others. */
export interface StepSums {
  readonly loss: Record<string, number>;
  readonly counts: Record<string, number>;
  readonly sums: Record<string, number>;
}

/** @param terms the names of the recipe's loss terms; those that applied to no sample have no sums */
export function splitTerms(sums: Sums, terms: readonly string[]): StepSums {
  const ofTerms = (nameOf: (term: string) => string): Record<string, number> =>
    Object.fromEntries(
      terms.flatMap((term) => {
        const value = sums[nameOf(term)];
        return value === undefined ? [] : [[term, value]];
      }),
    );
  const own = new Set(terms.flatMap((term) => [term, countOf(term)]));
  return {
    loss: ofTerms((term) => term),
    counts: ofTerms(countOf),
    sums: Object.fromEntries(Object.entries(sums).filter(([name]) => !own.has(name))),
  };
}

/** Each term's mean over the samples that it applies to, unweighted; 0 where their weights add up to 0. */
export function termMeans({ loss, counts }: Pick<StepSums, 'loss' | 'counts'>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(loss).map(([term, value]) => {
      const count = counts[term];
      if (count === undefined) throw new Error(`the loss term ${term} has a sum and no count`);
      return [term, perSample(value, count)];
    }),
  );
}

export function trainingHitSums(counted: { readonly labelled: number; readonly correct: number }): Sums {
  return hits.write(null, counted);
}

/** The share of the labelled samples whose class is predicted; undefined where none was labelled. */
export function trainingAccuracy(sums: Sums): number | undefined {
  const found = hits.read(sums, null);
  return found === null || found.labelled === 0 ? undefined : found.correct / found.labelled;
}

/** How the student compares with the ensemble's labels: see the header. */
export interface ImitationSums {
  readonly agree: number;
  readonly entropy: number;
  readonly samples: number;
}

export function imitationSums(counted: ImitationSums): Sums {
  return imitation.write('ensemble', counted);
}

/** Means over the compared samples; undefined where none was compared. */
export function imitationOf(sums: Sums): { readonly agreement: number; readonly entropy: number } | undefined {
  const found = imitation.read(sums, 'ensemble');
  if (found === null) return undefined;
  const { agree, entropy, samples } = found;
  return { agreement: perSample(agree, samples), entropy: perSample(entropy, samples) };
}

export function gradientNormSums(norms: Iterable<readonly [term: string, norm: number]>): Sums {
  return gradients.write(norms);
}

/** By term, its share of the sum of all terms' gradient norms; undefined for fewer than two terms. */
export function gradientShares(sums: Sums): Record<string, number> | undefined {
  const norms = gradients.read(sums);
  const whole = norms.reduce((sum, [, norm]) => sum + norm, 0);
  return norms.length < 2 ? undefined : Object.fromEntries(norms.map(([term, norm]) => [term, perSample(norm, whole)]));
}

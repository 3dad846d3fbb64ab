/**
 * What the next trial sets: a tree-structured Parzen estimator (Bergstra, Bardenet, Bengio and Kegl, Algorithms for
 * Hyper-Parameter Optimization, 2011). The trials so far are split into the best ones and the others, a density is put
 * through each part, and of some candidates that the density l of the best ones draws, the one is proposed for which
 * l(x) / g(x) is greatest: that is where the expected improvement is greatest.
 *
 * A proposal is a function of the space, the seed, the trial's number and the trials before it, of nothing else. Pure.
 */
import { randomStream, type RandomKey } from '../../shared/random.js';
import { ParzenEstimator, type Axes } from './parzen.js';
import type { Point } from './space.js';

/** What a proposal follows from. */
export interface ProposalOptions {
  readonly axes: Axes;
  readonly seed: number;
  /** So many trials are spread over the space before any is proposed by what was found. */
  readonly startup: number;
}

/** Candidates of which the best is proposed. */
const candidates = 24;
/** The share of the trials that count as the best, and how many at most. */
const [bestShare, mostBest] = [0.1, 25];

/** What a point is proposed for. */
export interface Draw {
  /** The trial's number, from 0. */
  readonly trial: number;
  /** From 0: how many proposals of this trial had been tried before. */
  readonly attempt: number;
}

/** After so many attempts at a trial the whole space is drawn from: what was found leads to nothing new. */
const ledAttempts = 20;

/**
 * Proposes a point.
 * @param ranked the points of the trials before it, the best first
 */
export function propose(
  { axes, seed, startup }: ProposalOptions,
  { trial, attempt }: Draw,
  ranked: readonly Point[],
): Point {
  if (trial < startup || ranked.length === 0 || attempt >= ledAttempts)
    return spreadPoint(axes, ['search', seed, 'start', attempt], trial);
  const random = randomStream(['search', seed, 'trial', trial, attempt]);
  const best = Math.min(mostBest, Math.ceil(bestShare * ranked.length));
  const good = new ParzenEstimator(axes, ranked.slice(0, best));
  const other = new ParzenEstimator(axes, ranked.slice(best));
  let found = good.sample(random);
  let gain = good.logDensity(found) - other.logDensity(found);
  for (let i = 1; i < candidates; i++) {
    const candidate = good.sample(random);
    const candidateGain = good.logDensity(candidate) - other.logDensity(candidate);
    if (candidateGain > gain) [found, gain] = [candidate, candidateGain];
  }
  return found;
}

/**
 * A point of a sequence that fills the space evenly, from a start that is drawn by its key: the additive recurrence on the
 * generalised golden ratio, the root of x^(d + 1) = x + 1 (Roberts, The unreasonable effectiveness of quasirandom
 * sequences, 2018).
 */
function spreadPoint(axes: Axes, start: RandomKey, trial: number): Point {
  const random = randomStream(start);
  let ratio = 1.5;
  for (let i = 0; i < 40; i++) ratio = (1 + ratio) ** (1 / (axes.length + 1));
  return axes.map((choices, d) => {
    const place = (random.float() + (trial + 1) * ratio ** -(d + 1)) % 1;
    return choices === null ? place : Math.min(choices - 1, Math.floor(place * choices));
  });
}

/**
 * A Parzen estimator over the points of a space: the density that is high where points have been.
 *
 *   p(x) = mean over the kernels of the product over the dimensions of k(x_d)
 *
 * Each point has a kernel, and so has the space as a whole: a prior that lets no region's density become zero. A kernel's
 * factor of numbers is a normal distribution about the point, cut off at 0 and 1; of choices, the point's own choice with
 * the greater part of the mass, the others with equal parts of the rest. The product couples the dimensions, as Falkner,
 * Klein and Hutter (BOHB, 2018) do; the bandwidth is Scott's, n^(-1/(d + 4)). Pure.
 */
import { mustAt } from '../../shared/must.js';
import type { RandomStream } from '../../shared/random.js';
import type { Point } from './space.js';

/** What a dimension is: null for numbers from 0 to 1, else its number of choices. */
export type Axes = readonly (number | null)[];

/** The width of a kernel of one point, as a share of the range. */
const widthOfOne = 0.2;
/** No kernel is narrower than so many would need to cover the range; it has at most a hundredth. */
const leastWidth = 0.01;

export class ParzenEstimator {
  readonly #axes: Axes;
  readonly #points: readonly Point[];
  readonly #width: number;

  /** @param points where the density is high; none: the prior alone */
  constructor(axes: Axes, points: readonly Point[]) {
    this.#axes = axes;
    this.#points = points;
    const bandwidth = widthOfOne * Math.max(1, points.length) ** (-1 / (axes.length + 4));
    this.#width = Math.max(leastWidth, bandwidth);
  }

  /** Draws a point by the density. */
  sample(random: RandomStream): Point {
    const kernel = random.below(this.#points.length + 1);
    const center = this.#points[kernel];
    return this.#axes.map((choices, d) => {
      const at = center === undefined ? null : mustAt(center, d, 'coordinate');
      if (choices === null) return at === null ? normalWithin(0.5, 1, random) : normalWithin(at, this.#width, random);
      return this.#drawChoice(choices, at, random);
    });
  }

  /** The logarithm of the density at a point. */
  logDensity(point: Point): number {
    const logs = [...this.#points, null].map((center) => this.#logKernel(center, point));
    const most = Math.max(...logs);
    return most + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - most), 0) / logs.length);
  }

  #logKernel(center: Point | null, point: Point): number {
    return this.#axes.reduce<number>((sum, choices, d) => {
      const x = mustAt(point, d, 'coordinate');
      const at = center === null ? null : mustAt(center, d, 'coordinate');
      if (choices !== null) return sum + Math.log(this.#massOf(choices, at, x));
      return sum + (at === null ? logNormalWithin(x, 0.5, 1) : logNormalWithin(x, at, this.#width));
    }, 0);
  }

  /** The mass of a choice in a kernel: of the prior's, the same for all. */
  #massOf(choices: number, at: number | null, x: number): number {
    if (at === null) return 1 / choices;
    const rest = 1 / (this.#points.length + 1);
    return rest / choices + (x === at ? 1 - rest : 0);
  }

  #drawChoice(choices: number, at: number | null, random: RandomStream): number {
    const rest = at === null ? 1 : 1 / (this.#points.length + 1);
    return at === null || random.float() < rest ? random.below(choices) : at;
  }
}

/** Draws from a normal distribution that is cut off at 0 and 1, by drawing until it lies between. */
function normalWithin(mean: number, deviation: number, random: RandomStream): number {
  for (;;) {
    // Box and Muller's: 1 - u is above 0.
    const radius = Math.sqrt(-2 * Math.log(1 - random.float()));
    const x = mean + deviation * radius * Math.cos(2 * Math.PI * random.float());
    if (x >= 0 && x <= 1) return x;
  }
}

function logNormalWithin(x: number, mean: number, deviation: number): number {
  const z = (x - mean) / deviation;
  const mass = normalBelow((1 - mean) / deviation) - normalBelow(-mean / deviation);
  return -0.5 * z * z - Math.log(deviation * Math.sqrt(2 * Math.PI) * mass);
}

/** The normal distribution function, to 1.5e-7 (Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26). */
function normalBelow(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const series = [0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429];
  const tail = series.reduceRight((sum, factor) => (sum + factor) * t, 0) * Math.exp(-x * x);
  return z > 0 ? 1 - tail / 2 : tail / 2;
}

/** Cosine and correlation along an axis as nodes, with their slopes: shared/losses/math/vectors.ts in a graph. Pure. */
import { smallestNorm } from '../../../../../shared/losses/math/vectors.js';
import type { Doubles } from './doubles.js';

/** The cosine of each two vectors, whose axis stays with the length 1, and its slopes by x, laid out as x. */
export interface Cosines {
  readonly cosines: string;
  readonly slopes: string;
}

/** cos(x, y) = x.y / (|x| |y|) of the vectors along an axis; 0, without a slope, where one is zeros. */
export function cosines(math: Doubles, [x, y]: readonly [string, string], axis: number): Cosines {
  const [normX, unitX, hasDirection] = unit(math, x, axis);
  const [, unitY] = unit(math, y, axis);
  const cosines_ = math.sum(math.multiply(unitX, unitY), axis);
  const along = math.multiply(math.multiply(hasDirection, cosines_), unitX);
  return { cosines: cosines_, slopes: math.divide(math.subtract(unitY, along), normX) };
}

/** Pearson's correlation: the cosine of the vectors less their means. The slopes' own mean is 0 already. */
export function correlations(math: Doubles, [x, y]: readonly [string, string], axis: number): Cosines {
  const centred = (value: string): string => math.subtract(value, math.mean(value, axis));
  return cosines(math, [centred(x), centred(y)], axis);
}

/** The norm, the vector over it, and 1 where it has a direction. */
export function unit(math: Doubles, x: string, axis: number): readonly [norm: string, unit: string, mask: string] {
  const raw = math.of('Sqrt', math.sum(math.square(x), axis));
  const norm = math.atLeast(raw, smallestNorm);
  return [norm, math.divide(x, norm), math.isAbove(raw, smallestNorm)];
}

/**
 * Activations that should be alike, s and t at the smaller size of the two, E elements a sample:
 *
 *   mse      mean (s - t)^2               FitNets, Romero et al. 2015
 *   l1       mean |s - t|
 *   cosine   1 - cos(s, t) over all elements
 */
import { mapOf, pooled, smaller, unpool } from './math/maps.js';
import type { PairInput, TermValues } from './term.js';
import { cosine } from './math/vectors.js';

export type FeatureDistance = 'mse' | 'cosine' | 'l1';

/** @throws Error when the channels differ: an adapter makes them equal */
export function features(
  { student, teacher, rows, scale, gradient }: PairInput,
  distance: FeatureDistance,
): TermValues {
  const [map, other] = [mapOf(student), mapOf(teacher)];
  if (map.channels !== other.channels) throw new Error(`features of ${map.channels} and of ${other.channels} channels`);
  const size = smaller(map, other);
  const [x, y] = [pooled(map, size).values, pooled(other, size).values];
  const slopes = new Float64Array(x.length);
  const length = x.length / rows;
  const values_B = Float32Array.from({ length: rows }, (_, row) => {
    const at = row * length;
    if (distance === 'cosine') return 1 - cosine({ x, y, at, stride: 1, length }, -1, slopes);
    let sum = 0;
    for (let i = at; i < at + length; i++) {
      const off = (x[i] ?? 0) - (y[i] ?? 0);
      sum += distance === 'mse' ? off * off : Math.abs(off);
      slopes[i] = (distance === 'mse' ? 2 * off : Math.sign(off)) / length;
    }
    return sum / length;
  });
  unpool(slopes, { map, size, into: gradient, factor: scale });
  return { values_B, count: rows };
}

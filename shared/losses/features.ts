/**
 * Activations that should be alike, s and t at the smaller size of the two, E elements a sample:
 *
 *   mse      mean (s - t)^2               FitNets, Romero et al. 2015
 *   l1       mean |s - t|
 *   cosine   1 - cos(s, t) over all elements
 */
import { z } from 'zod';
import { lossOnPairs } from './loss.js';
import type { LossValues, PairInput } from './math/inputs.js';
import { mapOf, pooled, smaller, unpool } from './math/maps.js';
import { cosine } from './math/vectors.js';

export const featureDistance = z.enum(['mse', 'cosine', 'l1']).default('mse');

export const features = lossOnPairs({
  name: 'features',
  compares: "a tap of the student with a teacher's, at the smaller size of the two",
  formula: 'mean (s - t)^2, mean |s - t| or 1 - cos(s, t)',
  source: 'FitNets, Romero et al. 2015',
  options: { distance: featureDistance },
  sides: 'channels',
  over: 'samples',
  usual: { weight: 1, crossEntropy: 1, taps: 'maps' },
  compute: computeFeatures,
});

/** @throws Error when the channels differ, which an adapter would have made equal: a bug */
export function computeFeatures(
  { student, teacher, rows, scale, gradient }: PairInput,
  { distance }: { readonly distance: 'mse' | 'cosine' | 'l1' },
): LossValues {
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

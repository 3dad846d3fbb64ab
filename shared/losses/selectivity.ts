/**
 * Neuron selectivity (NST, Huang and Wang 2017): the squared maximum mean discrepancy, with the kernel (a . b)^2,
 * between the channels of both maps. Each channel is one vector of its places, of norm 1, at the smaller size of the
 * two:
 *
 *   value = mean_cc' (s_c . s_c')^2 + mean_cc' (t_c . t_c')^2 - 2 mean_cc' (s_c . t_c')^2
 */
import { lossOnPairs } from './loss.js';
import type { LossValues, PairInput } from './math/inputs.js';
import { mapOf, pooled, smaller, unpool, type FeatureMap } from './math/maps.js';
import type { ScaledSlopes } from './math/relations.js';
import { smallestNorm } from './math/vectors.js';

export const selectivity = lossOnPairs({
  name: 'selectivity',
  description: 'NST',
  compares: 'what each channel of a map of the student and of a teacher responds to',
  formula: "mean (s_c . s_c')^2 + mean (t_c . t_c')^2 - 2 mean (s_c . t_c')^2 over pairs of channels",
  source: 'NST, Huang and Wang 2017',
  options: {},
  sides: 'maps',
  over: 'samples',
  tasks: ['classes', 'regression', 'multiLabel'],
  usual: { weight: 50, crossEntropy: 1, taps: 'maps' },
  compute: computeSelectivity,
});

function computeSelectivity({ student, teacher, rows, scale, gradient }: PairInput): LossValues {
  const [map, other] = [mapOf(student), mapOf(teacher)];
  const size = smaller(map, other);
  const [x, y] = [pooled(map, size), pooled(other, size)];
  const slopes = new Float64Array(x.values.length);
  const values_B = Float32Array.from({ length: rows }, (_, row) => {
    const [s, t] = [channelsOf(x, row), channelsOf(y, row)];
    const unitSlopes = new Float64Array(s.units.length);
    // Both sides of the first mean are the student's, so that its slope counts twice.
    const value =
      meanSquares(s, s, { slopes: unitSlopes, factor: 2 }) +
      meanSquares(t, t, null) -
      2 * meanSquares(s, t, { slopes: unitSlopes, factor: -2 });
    throughNorms(s, unitSlopes, (c, i, slope) => (slopes[(row * s.places + i) * s.count + c] = slope));
    return value;
  });
  unpool(slopes, { map, size, into: gradient, factor: scale });
  return { values_B, count: rows };
}

/** The channels of one row's map. */
interface Channels {
  readonly count: number;
  readonly places: number;
  readonly units: Float64Array;
  readonly norms: Float64Array;
}

function channelsOf({ height, width, channels: count, values }: FeatureMap, row: number): Channels {
  const places = height * width;
  const [units, norms] = [new Float64Array(count * places), new Float64Array(count)];
  for (let c = 0; c < count; c++) {
    let squares = 0;
    for (let i = 0; i < places; i++) {
      const value = values[(row * places + i) * count + c] ?? 0;
      units[c * places + i] = value;
      squares += value * value;
    }
    const norm = Math.max(Math.sqrt(squares), smallestNorm);
    norms[c] = norm;
    for (let i = c * places; i < (c + 1) * places; i++) units[i] = (units[i] ?? 0) / norm;
  }
  return { count, places, units, norms };
}

/** mean over all pairs of (a . b)^2; adds factor x its slope by a, with b held, to the slopes; null: no slope is wanted. */
function meanSquares(a: Channels, b: Channels, wanted: ScaledSlopes | null): number {
  const { places } = a;
  let sum = 0;
  for (let c = 0; c < a.count; c++) {
    for (let d = 0; d < b.count; d++) {
      let product = 0;
      for (let i = 0; i < places; i++) product += (a.units[c * places + i] ?? 0) * (b.units[d * places + i] ?? 0);
      sum += product * product;
      if (wanted === null) continue;
      const { slopes, factor } = wanted;
      const step = (2 * factor * product) / (a.count * b.count);
      for (let i = 0; i < places; i++)
        slopes[c * places + i] = (slopes[c * places + i] ?? 0) + step * (b.units[d * places + i] ?? 0);
    }
  }
  return sum / (a.count * b.count);
}

/** Gives the slopes by the channels, from slopes by the channels of norm 1. */
function throughNorms(
  { count, places, units, norms }: Channels,
  unitSlopes: Float64Array,
  give: (c: number, place: number, slope: number) => void,
): void {
  for (let c = 0; c < count; c++) {
    const norm = norms[c] ?? 1;
    let along = 0;
    for (let i = c * places; i < (c + 1) * places && norm > smallestNorm; i++)
      along += (units[i] ?? 0) * (unitSlopes[i] ?? 0);
    for (let i = 0; i < places; i++)
      give(c, i, ((unitSlopes[c * places + i] ?? 0) - along * (units[c * places + i] ?? 0)) / norm);
  }
}

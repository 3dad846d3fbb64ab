/**
 * Batch norm's moving values, moved by the batch statistics of a commit as every framework does it:
 *
 *   moving = momentum x moving + (1 - momentum) x statistic        in float32, the statistic rounded to float32 first
 *
 * The statistics of a layer are its pooled mean and its biased variance M2 / count (Ioffe, Szegedy, Batch
 * normalization, 2015).
 */
import type { UpdateKernels } from './kernels/kernels.js';
import { padded, type NormLayer } from './places.js';
import { countOf, type PooledMoments } from './reduction/moments.js';

/** The moving values that are moved, and scratch memory for the statistics. */
export interface MovingTarget {
  readonly kernels: Pick<UpdateKernels, 'movingAverage'>;
  /** Byte offsets of the moving values, and of scratch of the same length for the statistics. */
  readonly layout: { readonly moving: number; readonly statistics: number };
  /** A float32 view of the scratch memory. */
  readonly statistics: Float32Array;
}

/**
 * Moves the values of all layers, in place. A layer that saw no values keeps its own.
 *
 * @throws Error when the moments have no count for a layer
 */
export function moveMovingValues(norms: readonly NormLayer[], moments: PooledMoments, target: MovingTarget): void {
  let at = 0;
  for (const [layer, norm] of norms.entries()) {
    const count = countOf(moments, layer);
    if (count > 0) {
      writeStatistics(target.statistics, norm, { values: moments.values, at, count });
      moveLayer(norm, target);
    }
    at += 2 * norm.channels;
  }
}

/** The layer's moments begin at index `at` of all values: mean[channels], then M2[channels]. */
function writeStatistics(
  statistics: Float32Array,
  { channels, meanOffset, varianceOffset }: NormLayer,
  { values, at, count }: { readonly values: Float64Array; readonly at: number; readonly count: number },
): void {
  for (let channel = 0; channel < channels; channel++) {
    statistics[meanOffset + channel] = values[at + channel] ?? 0;
    statistics[varianceOffset + channel] = (values[at + channels + channel] ?? 0) / count;
  }
}

function moveLayer(norm: NormLayer, { kernels, layout }: MovingTarget): void {
  const n = padded(norm.channels);
  for (const offset of [norm.meanOffset, norm.varianceOffset]) {
    const [moving, statistic] = [layout.moving + 4 * offset, layout.statistics + 4 * offset];
    kernels.movingAverage(moving, statistic, n, norm.momentum, 1 - norm.momentum);
  }
}

/** Turns the statistics of a micro-batch's forward into the moments that replicas pool. */
import type { NormLayer } from '../../../../shared/replica/places.js';
import { momentValues, type PooledMoments } from '../../../../shared/replica/reduction/moments.js';
import type { BatchStatistics, Norm } from './batch-norm.js';
import { must } from '../../../../shared/must.js';

/**
 * Per batch-norm layer in the plan's order: count, mean, and M2 = biased variance x count. A layer that the forward did
 * not reach has count 0. Disposes of the statistics.
 */
export function takeMoments(plan: readonly NormLayer[], norms: ReadonlyMap<string, Norm>): PooledMoments | null {
  if (plan.length === 0) return null;
  const values = new Float64Array(momentValues(plan));
  let offset = 0;
  const counts = plan.map(({ layer, channels }) => {
    const statistics = must(norms, layer, 'batch-norm layer').takeStatistics();
    if (statistics !== null) write(values.subarray(offset, offset + 2 * channels), statistics);
    offset += 2 * channels;
    return statistics?.count ?? 0;
  });
  return { counts, values };
}

function write(out: Float64Array, { mean_C, variance_C, count }: BatchStatistics): void {
  const [mean, variance] = [mean_C.dataSync(), variance_C.dataSync()];
  out.set(mean);
  variance.forEach((value, channel) => {
    out[mean.length + channel] = value * count;
  });
  mean_C.dispose();
  variance_C.dispose();
}

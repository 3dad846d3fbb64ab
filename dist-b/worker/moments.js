import { momentValues } from '../shared/reduction/moments.js';
/**
 * Per batch-norm layer in the plan's order: count, mean, and M2 = biased variance x count. A layer that the forward did
 * not reach has count 0. Disposes of the statistics.
 */
export function takeMoments(plan, norms) {
    if (plan.length === 0)
        return null;
    const values = new Float64Array(momentValues(plan));
    let offset = 0;
    const counts = plan.map(({ layer, channels }) => {
        const statistics = norms.get(layer)?.takeStatistics() ?? null;
        if (statistics !== null)
            write(values.subarray(offset, offset + 2 * channels), statistics);
        offset += 2 * channels;
        return statistics?.count ?? 0;
    });
    return { counts, values };
}
function write(out, { mean_C, variance_C, count }) {
    const [mean, variance] = [mean_C.dataSync(), variance_C.dataSync()];
    out.set(mean);
    variance.forEach((value, channel) => {
        out[mean.length + channel] = value * count;
    });
    mean_C.dispose();
    variance_C.dispose();
}
//# sourceMappingURL=moments.js.map
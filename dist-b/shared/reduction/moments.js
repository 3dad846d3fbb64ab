export function momentValues(norms) {
    return 2 * norms.reduce((sum, norm) => sum + norm.channels, 0);
}
/** Pools the left sibling `a` with the right one `b`; null, or a layer's count of 0, passes the other through. */
export function pool(a, b, norms) {
    if (a === null || b === null)
        return a ?? b;
    const values = new Float64Array(momentValues(norms));
    let offset = 0;
    const counts = norms.map(({ channels }, layer) => {
        const counts = { a: a.counts[layer] ?? 0, b: b.counts[layer] ?? 0 };
        poolLayer({ a: a.values, b: b.values, out: values, offset, channels }, counts);
        offset += 2 * channels;
        return counts.a + counts.b;
    });
    return { counts, values };
}
function poolLayer({ a, b, out, offset, channels }, counts) {
    if (counts.a === 0 || counts.b === 0) {
        out.set((counts.a === 0 ? b : a).subarray(offset, offset + 2 * channels), offset);
        return;
    }
    const n = counts.a + counts.b;
    for (let mean = offset; mean < offset + channels; mean++) {
        const m2 = mean + channels;
        const [meanA = 0, meanB = 0] = [a[mean], b[mean]];
        const d = meanB - meanA;
        out[mean] = meanA + (d * counts.b) / n;
        out[m2] = (a[m2] ?? 0) + (b[m2] ?? 0) + (d * d * counts.a * counts.b) / n;
    }
}
//# sourceMappingURL=moments.js.map
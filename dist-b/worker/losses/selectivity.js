/**
 * Neuron selectivity (NST, Huang and Wang 2017): the squared maximum mean discrepancy, with the kernel (a . b)^2, between
 * the channels of both maps. Each channel is one vector of its places, of norm 1, at the smaller size of the two:
 *
 *   value = mean_cc' (s_c . s_c')^2 + mean_cc' (t_c . t_c')^2 - 2 mean_cc' (s_c . t_c')^2
 */
import { mapOf, pooled, smaller, unpool } from './maps.js';
import { smallestNorm } from './vectors.js';
export function selectivity({ student, teacher, rows, scale, gradient }) {
    const [map, other] = [mapOf(student), mapOf(teacher)];
    const size = smaller(map, other);
    const [x, y] = [pooled(map, size), pooled(other, size)];
    const slopes = new Float64Array(x.values.length);
    const values_B = Float32Array.from({ length: rows }, (_, row) => {
        const [s, t] = [channelsOf(x, row), channelsOf(y, row)];
        const unit = s.units.map((channel) => new Float64Array(channel.length));
        const own = meanSquares(s.units, s.units, (c, d, product) => addScaled(unit[c], s.units[d], (4 * product) / s.units.length ** 2));
        const both = meanSquares(s.units, t.units, (c, d, product) => addScaled(unit[c], t.units[d], (-4 * product) / (s.units.length * t.units.length)));
        s.units.forEach((channel, c) => {
            const slope = unit[c] ?? channel;
            const norm = s.norms[c] ?? 1;
            const along = norm > smallestNorm ? channel.reduce((sum, value, i) => sum + value * (slope[i] ?? 0), 0) : 0;
            channel.forEach((value, i) => (slopes[(row * channel.length + i) * x.channels + c] = ((slope[i] ?? 0) - along * value) / norm));
        });
        return own + meanSquares(t.units, t.units) - 2 * both;
    });
    unpool(slopes, { map, size, into: gradient, factor: scale });
    return { values_B, count: rows };
}
function channelsOf({ height, width, channels, values }, row) {
    const places = height * width;
    const raw = Array.from({ length: channels }, (_, c) => Float64Array.from({ length: places }, (__, i) => values[(row * places + i) * channels + c] ?? 0));
    const norms = raw.map((channel) => Math.max(Math.sqrt(channel.reduce((sum, value) => sum + value * value, 0)), smallestNorm));
    return { units: raw.map((channel, c) => channel.map((value) => value / (norms[c] ?? 1))), norms };
}
/** mean over all pairs of (a . b)^2; each product is shown to `visit`. */
function meanSquares(a, b, visit = () => undefined) {
    let sum = 0;
    a.forEach((x, c) => b.forEach((y, d) => {
        const product = x.reduce((total, value, i) => total + value * (y[i] ?? 0), 0);
        sum += product * product;
        visit(c, d, product);
    }));
    return sum / (a.length * b.length);
}
function addScaled(into, values, factor) {
    values?.forEach((value, i) => {
        if (into !== undefined)
            into[i] = (into[i] ?? 0) + factor * value;
    });
}
//# sourceMappingURL=selectivity.js.map
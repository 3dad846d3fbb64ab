import { smallestNorm } from './vectors.js';
const vectorsOf = ({ values }, rows) => ({ rows, length: values.length / rows, values: Float64Array.from(values) });
function perSample(rows, value) {
    return { values_B: new Float32Array(rows).fill(value), count: rows };
}
/** [B x B] of inner products. */
function gramOf({ rows, length, values }) {
    const gram = new Float64Array(rows * rows);
    for (let i = 0; i < rows; i++) {
        for (let j = i; j < rows; j++) {
            let sum = 0;
            for (let k = 0; k < length; k++)
                sum += (values[i * length + k] ?? 0) * (values[j * length + k] ?? 0);
            gram[i * rows + j] = sum;
            gram[j * rows + i] = sum;
        }
    }
    return gram;
}
/** d/dX of a function of X X^T: (S + S^T) X, times factor, added. */
function throughGram(slopes, { rows, length, values }, into, factor) {
    for (let i = 0; i < rows; i++) {
        for (let j = 0; j < rows; j++) {
            const slope = factor * ((slopes[i * rows + j] ?? 0) + (slopes[j * rows + i] ?? 0));
            for (let k = 0; k < length; k++)
                into[i * length + k] = (into[i * length + k] ?? 0) + slope * (values[j * length + k] ?? 0);
        }
    }
}
/** Rows of norm 1; a row of zeros stays one. */
function normalised({ rows, length, values }) {
    const norms = Float64Array.from({ length: rows }, (_, i) => Math.max(Math.sqrt(values.subarray(i * length, (i + 1) * length).reduce((sum, x) => sum + x * x, 0)), smallestNorm));
    return { rows, length, norms, values: values.map((x, i) => x / (norms[Math.floor(i / length)] ?? 1)) };
}
/** d/dx of a function of x / |x|, times factor, added. */
function throughNorm(slopes, { rows, length, norms, values }, into, factor) {
    for (let i = 0; i < rows; i++) {
        const norm = norms[i] ?? 1;
        let along = 0;
        for (let k = i * length; k < (i + 1) * length; k++)
            along += (slopes[k] ?? 0) * (values[k] ?? 0);
        if (norm <= smallestNorm)
            along = 0;
        for (let k = i * length; k < (i + 1) * length; k++)
            into[k] = (into[k] ?? 0) + (factor * ((slopes[k] ?? 0) - along * (values[k] ?? 0))) / norm;
    }
}
export function similarity({ student, teacher, rows, scale, gradient }) {
    const x = vectorsOf(student, rows);
    const [own, other] = [x, vectorsOf(teacher, rows)].map((vectors) => normalised({ rows, length: rows, values: gramOf(vectors) }));
    if (own === undefined || other === undefined)
        throw new Error('two sides');
    const { value, slopes } = meanSquareOff(own.values, other.values);
    const gramSlopes = new Float64Array(rows * rows);
    throughNorm(slopes, own, gramSlopes, 1);
    throughGram(gramSlopes, x, gradient, scale * rows);
    return perSample(rows, value);
}
function meanSquareOff(x, y) {
    const slopes = x.map((value, i) => (2 * (value - (y[i] ?? 0))) / x.length);
    return { value: x.reduce((sum, value, i) => sum + (value - (y[i] ?? 0)) ** 2, 0) / x.length, slopes };
}
export function probabilistic(input) {
    return onCosines(input, (cos_s, cos_t, rows) => {
        const [q, p] = [likeness(cos_s, rows), likeness(cos_t, rows)];
        const slopes = new Float64Array(rows * rows);
        let value = 0;
        for (let at = 0; at < slopes.length; at++) {
            const [logP, logQ] = [Math.log(p.kernel[at] ?? 1) - Math.log(p.sums[Math.floor(at / rows)] ?? 1), Math.log(q.kernel[at] ?? 1) - Math.log(q.sums[Math.floor(at / rows)] ?? 1)];
            value += (Math.exp(logP) * (logP - logQ)) / rows;
            // d/dK_ij of -sum_j p_ij log(K_ij / sum_k K_ik), and K = (1 + cos) / 2
            if ((q.kernel[at] ?? 0) > smallestLikeness)
                slopes[at] = (0.5 * (1 / (q.sums[Math.floor(at / rows)] ?? 1) - Math.exp(logP) / (q.kernel[at] ?? 1))) / rows;
        }
        return { value, slopes };
    });
}
/** No two samples are less alike: its log is finite. */
const smallestLikeness = 1e-7;
function likeness(cosines, rows) {
    const kernel = cosines.map((cos) => Math.max((1 + cos) / 2, smallestLikeness));
    return { kernel, sums: Float64Array.from({ length: rows }, (_, i) => kernel.subarray(i * rows, (i + 1) * rows).reduce((a, b) => a + b, 0)) };
}
const gamma = 0.4;
export function correlation(input) {
    return onCosines(input, (cos_s, cos_t) => {
        const [own, other] = [cos_s, cos_t].map((cosines) => cosines.map((cos) => Math.exp(-2 * gamma * (1 - cos))));
        if (own === undefined || other === undefined)
            throw new Error('two sides');
        const { value, slopes } = meanSquareOff(own, other);
        return { value, slopes: slopes.map((slope, i) => slope * 2 * gamma * (own[i] ?? 0)) };
    });
}
function onCosines({ student, teacher, rows, scale, gradient }, of) {
    const x = normalised(vectorsOf(student, rows));
    const { value, slopes } = of(gramOf(x), gramOf(normalised(vectorsOf(teacher, rows))), rows);
    const unitSlopes = new Float64Array(x.values.length);
    throughGram(slopes, x, unitSlopes, 1);
    throughNorm(unitSlopes, x, gradient, scale * rows);
    return perSample(rows, value);
}
export function relational({ student, teacher, rows, scale, gradient }, options) {
    const [x, y] = [vectorsOf(student, rows), vectorsOf(teacher, rows)];
    const factor = scale * rows;
    const value = options.distance * distances(x, y, gradient, factor * options.distance) + options.angle * angles(x, y, gradient, factor * options.angle);
    return perSample(rows, value);
}
/** Huber with the corner at 1. */
const huber = (off) => (Math.abs(off) < 1 ? 0.5 * off * off : Math.abs(off) - 0.5);
const huberSlope = (off) => Math.max(-1, Math.min(1, off));
function distances(x, y, gradient, factor) {
    const { rows, length } = x;
    const [own, other] = [scaledDistances(x), scaledDistances(y)];
    const offs = own.scaled.map((value, i) => value - (other.scaled[i] ?? 0));
    const slopes = offs.map((off) => huberSlope(off) / (rows * rows));
    // scaled = d / mean: the mean moves too.
    const along = slopes.reduce((sum, slope, i) => sum + slope * (own.scaled[i] ?? 0), 0) / Math.max(1, own.positive);
    for (let i = 0; i < rows && own.mean > 0; i++) {
        for (let j = 0; j < rows; j++) {
            const d = (own.scaled[i * rows + j] ?? 0) * own.mean;
            if (d === 0)
                continue;
            const slope = (factor * ((slopes[i * rows + j] ?? 0) - along)) / (own.mean * d);
            for (let k = 0; k < length; k++) {
                const off = slope * ((x.values[i * length + k] ?? 0) - (x.values[j * length + k] ?? 0));
                gradient[i * length + k] = (gradient[i * length + k] ?? 0) + off;
                gradient[j * length + k] = (gradient[j * length + k] ?? 0) - off;
            }
        }
    }
    return offs.reduce((sum, off) => sum + huber(off), 0) / (rows * rows);
}
/** Distances over the mean of those above 0; all 0 where there is none. */
function scaledDistances(vectors) {
    const { rows, length, values } = vectors;
    const d = new Float64Array(rows * rows);
    for (let i = 0; i < rows; i++) {
        for (let j = 0; j < rows; j++) {
            let squares = 0;
            for (let k = 0; k < length; k++)
                squares += ((values[i * length + k] ?? 0) - (values[j * length + k] ?? 0)) ** 2;
            d[i * rows + j] = Math.sqrt(squares);
        }
    }
    const positive = d.filter((value) => value > 0).length;
    const mean = positive > 0 ? d.reduce((a, b) => a + b, 0) / positive : 0;
    return { scaled: mean > 0 ? d.map((value) => value / mean) : d, mean, positive };
}
/** Cosine of the angle at i between j and k, for all three; B^3 of them, B^2 D numbers at a time. */
function angles(x, y, gradient, factor) {
    const { rows, length } = x;
    let value = 0;
    for (let corner = 0; corner < rows; corner++) {
        const [own, other] = [raysFrom(x, corner), raysFrom(y, corner)];
        const [cos, wanted] = [gramOf(own), gramOf(other)];
        const slopes = cos.map((c, i) => huberSlope(c - (wanted[i] ?? 0)) / rows ** 3);
        value += cos.reduce((sum, c, i) => sum + huber(c - (wanted[i] ?? 0)), 0) / rows ** 3;
        const [unitSlopes, raySlopes] = [new Float64Array(own.values.length), new Float64Array(own.values.length)];
        throughGram(slopes, own, unitSlopes, 1);
        throughNorm(unitSlopes, own, raySlopes, factor);
        raySlopes.forEach((slope, at) => {
            const k = at % length;
            gradient[at] = (gradient[at] ?? 0) + slope;
            gradient[corner * length + k] = (gradient[corner * length + k] ?? 0) - slope;
        });
    }
    return value;
}
function raysFrom({ rows, length, values }, corner) {
    return normalised({ rows, length, values: values.map((value, at) => value - (values[corner * length + (at % length)] ?? 0)) });
}
//# sourceMappingURL=relations.js.map
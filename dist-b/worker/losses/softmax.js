/** Softmax in log space, row by row: what the losses on logits share. */
/**
 * Writes log softmax(z / T) of row `row` into `out`: z/T - max - log(sum(exp(z/T - max))), finite for finite logits of any
 * size. In float64; `logits_BC` is [rows x out.length].
 */
export function logSoftmaxRow(logits_BC, row, temperature, out) {
    const classes = out.length;
    const at = row * classes;
    let max = -Infinity;
    for (let k = 0; k < classes; k++) {
        const z = (logits_BC[at + k] ?? 0) / temperature;
        out[k] = z;
        if (z > max)
            max = z;
    }
    let sum = 0;
    for (let k = 0; k < classes; k++)
        sum += Math.exp((out[k] ?? 0) - max);
    const normaliser = max + Math.log(sum);
    for (let k = 0; k < classes; k++)
        out[k] = (out[k] ?? 0) - normaliser;
}
/** log softmax(z / T) of every row, in float32. */
export function logSoftmax(logits_BC, classes, temperature) {
    const out_BC = new Float32Array(logits_BC.length);
    const row_C = new Float64Array(classes);
    for (let row = 0; row < logits_BC.length / classes; row++) {
        logSoftmaxRow(logits_BC, row, temperature, row_C);
        out_BC.set(row_C, row * classes);
    }
    return out_BC;
}
/** log of the sum of exp over all but one place; -Infinity where nothing is left. */
export function logSumExpBut(values_C, left) {
    let max = -Infinity;
    values_C.forEach((value, k) => {
        if (k !== left && value > max)
            max = value;
    });
    if (max === -Infinity)
        return max;
    let sum = 0;
    values_C.forEach((value, k) => {
        if (k !== left)
            sum += Math.exp(value - max);
    });
    return max + Math.log(sum);
}
/** Adds factor q_k (slope_k - sum_j slope_j q_j), which is d value / d (z / T) times the factor. */
export function softmaxGradient({ probabilities_BC, slopes_BC, classes, factor }, gradient_BC) {
    for (let at = 0; at < probabilities_BC.length; at += classes) {
        let mean = 0;
        for (let i = at; i < at + classes; i++)
            mean += (slopes_BC[i] ?? 0) * (probabilities_BC[i] ?? 0);
        for (let i = at; i < at + classes; i++)
            gradient_BC[i] = (gradient_BC[i] ?? 0) + factor * (probabilities_BC[i] ?? 0) * ((slopes_BC[i] ?? 0) - mean);
    }
}
//# sourceMappingURL=softmax.js.map
/**
 * Decoupled distillation (DKD, Zhao et al. 2022): the label's class against all others, and the others among themselves.
 *
 *   value = T^2 (alpha KL([p_y, 1 - p_y] || [q_y, 1 - q_y]) + beta KL(p' || q')),  p', q': without class y, normalised
 *   d/dz_y = T alpha (q_y - p_y),   d/dz_k = T (alpha q'_k (p_y - q_y) + beta (q'_k - p'_k))
 *
 * For the labelled samples alone. With beta = 1 - p_y it is the response term; a constant beta is what the paper adds.
 */
import { logSoftmaxRow, logSumExpBut } from './softmax.js';
/** @param logP_BC log-probabilities of the ensemble at the temperature; labels_B: -1 for none */
export function decoupled({ logits_BC, classes, scale, gradient_BC }, labels_B, logP_BC, { alpha, beta, temperature }) {
    const values_B = new Float32Array(labels_B.length);
    const logQ_C = new Float64Array(classes);
    let count = 0;
    labels_B.forEach((label, row) => {
        if (label < 0)
            return;
        count++;
        logSoftmaxRow(logits_BC, row, temperature, logQ_C);
        const logP_C = Float64Array.from(logP_BC.subarray(row * classes, (row + 1) * classes));
        const [logPy, logQy] = [logP_C[label] ?? 0, logQ_C[label] ?? 0];
        const [logOthersP, logOthersQ] = [logSumExpBut(logP_C, label), logSumExpBut(logQ_C, label)];
        const [py, qy] = [Math.exp(logPy), Math.exp(logQy)];
        const target = weighted(logPy, logPy - logQy) + weighted(logOthersP, logOthersP - logOthersQ);
        let others = 0;
        for (let k = 0; k < classes; k++) {
            const at = row * classes + k;
            const [p, q] = [(logP_C[k] ?? 0) - logOthersP, (logQ_C[k] ?? 0) - logOthersQ];
            if (k !== label)
                others += weighted(p, p - q);
            const slope = k === label ? alpha * (qy - py) : alpha * Math.exp(q) * (py - qy) + beta * (Math.exp(q) - Math.exp(p));
            gradient_BC[at] = (gradient_BC[at] ?? 0) + scale * temperature * slope;
        }
        values_B[row] = temperature * temperature * (alpha * target + beta * others);
    });
    return { values_B, count };
}
/** exp(logP) x; 0 where the probability is 0. */
function weighted(logP, x) {
    const p = Math.exp(logP);
    return p > 0 ? p * x : 0;
}
//# sourceMappingURL=decoupled.js.map
/**
 * Response distillation (Hinton et al. 2015) from the ensemble's soft labels p at temperature T:
 *
 *   value = T^2 sum_k p_k (log p_k - log q_k),  q = softmax(z / T),  d value / dz = T (q - p)
 *
 * PyTorch's kl_div(log q, p, 'batchmean') x T^2. A class of probability 0 adds nothing.
 */
import { logSoftmaxRow } from './softmax.js';
/** @param logP_BC log-probabilities, [rows x classes] */
export function response({ logits_BC, classes, scale, gradient_BC }, logP_BC, temperature) {
    const rows = logP_BC.length / classes;
    const values_B = new Float32Array(rows);
    const logQ_C = new Float64Array(classes);
    for (let row = 0; row < rows; row++) {
        logSoftmaxRow(logits_BC, row, temperature, logQ_C);
        let divergence = 0;
        for (let k = 0; k < classes; k++) {
            const at = row * classes + k;
            const [logP, logQ] = [logP_BC[at] ?? 0, logQ_C[k] ?? 0];
            const p = Math.exp(logP);
            if (p > 0)
                divergence += p * (logP - logQ);
            gradient_BC[at] = (gradient_BC[at] ?? 0) + scale * temperature * (Math.exp(logQ) - p);
        }
        values_B[row] = temperature * temperature * divergence;
    }
    return { values_B, count: rows };
}
//# sourceMappingURL=response.js.map
/** What a training micro-batch tells about soft labels beside its losses. Pure: arrays in, sums out. */
import { argMax } from '../metrics.js';
/**
 * `ensemble.agree`: rows on which student and ensemble prefer the same class; `ensemble.entropy`: sum of the labels'
 * entropies in nats; `ensemble.samples`: rows.
 * @param labels_BC log-probabilities, [rows x classes]
 */
export function againstEnsemble(logits_BC, labels_BC, classes) {
    let [agree, entropy] = [0, 0];
    const rows = labels_BC.length / classes;
    for (let row = 0; row < rows; row++) {
        if (argMax(logits_BC, row * classes, classes) === argMax(labels_BC, row * classes, classes))
            agree++;
        for (let k = row * classes; k < (row + 1) * classes; k++) {
            const logProbability = labels_BC[k] ?? 0;
            // 0 log 0 = 0
            if (logProbability > -Infinity)
                entropy -= Math.exp(logProbability) * logProbability;
        }
    }
    return { 'ensemble.agree': agree, 'ensemble.entropy': entropy, 'ensemble.samples': rows };
}
/** Euclidean norm, in float64. */
export function norm(parts) {
    let squares = 0;
    for (const values of parts)
        for (let i = 0; i < values.length; i++)
            squares += (values[i] ?? 0) ** 2;
    return Math.sqrt(squares);
}
//# sourceMappingURL=diagnostics.js.map
/** A student's logits over a whole data set, in forwards of one size. */
import { sizeOf } from '../shared/models/student-spec.js';
import { classifierReport } from './metrics.js';
/**
 * [samples x classes]. Every forward has `rows` rows, the last one filled up with zeros: the bits of a row may depend on
 * how many are computed with it.
 */
export function logitsOf(model, { inputs, inputShape, labels, classes }, rows) {
    const size = sizeOf(inputShape);
    const samples = labels.length;
    const logits = new Float32Array(samples * classes);
    const batch = new Float32Array(rows * size);
    for (let from = 0; from < samples; from += rows) {
        const count = Math.min(rows, samples - from);
        batch.fill(0).set(inputs.subarray(from * size, (from + count) * size));
        logits.set(model.logits(batch, rows).subarray(0, count * classes), from * classes);
    }
    return logits;
}
/** Accuracy, top-5, loss, calibration and confusion over the labelled samples. */
export function evaluateClassifier(model, data, rows = 64) {
    return classifierReport(logitsOf(model, data, rows), data.labels, data.classes);
}
//# sourceMappingURL=evaluate.js.map
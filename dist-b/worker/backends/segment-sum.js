import { inputOf } from './composition.js';
/** sum[k] = sum of x[i] where segmentIds[i] = k, in the order of i. x [N, ...], result [numSegments, ...]. */
export function unsortedSegmentSum(tf, inputs, attrs) {
    const x = inputOf(inputs, 'x');
    const ids_N = inputOf(inputs, 'segmentIds');
    const shape = [Number(attrs.numSegments), ...x.shape.slice(1)];
    return tf.scatterND(ids_N.toInt().reshape([-1, 1]), x, shape);
}
//# sourceMappingURL=segment-sum.js.map
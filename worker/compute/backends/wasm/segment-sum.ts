/** The gradient of gathering rows, which embeddings do. */
import type { NamedAttrMap, Tensor } from '@tensorflow/tfjs';
import type { TensorFlow } from '../backend.js';
import { inputOf, type Inputs } from './composition.js';

/** sum[k] = sum of x[i] where segmentIds[i] = k, in the order of i. x [N, ...], result [numSegments, ...]. */
export function unsortedSegmentSum(tf: TensorFlow, inputs: Inputs, attrs: NamedAttrMap): Tensor {
  const x = inputOf(inputs, 'x');
  const ids_N = inputOf(inputs, 'segmentIds');
  const shape = [Number(attrs.numSegments), ...x.shape.slice(1)];
  return tf.scatterND(ids_N.toInt().reshape([-1, 1]), x, shape);
}

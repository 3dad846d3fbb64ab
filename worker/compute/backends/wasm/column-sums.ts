/** Sums over all axes but the last ones, which gradients of biases are: tfjs transposes the whole tensor first. */
import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs';
import { axesAttr } from '../attrs.js';
import type { TensorFlow } from '../backend.js';
import { infoOf, type Heap } from './heap.js';

/** Sum over the axes in front, in float64; null where this is another kind of sum. */
export function columnSums(
  tf: TensorFlow,
  heap: Heap,
  inputs: NamedTensorInfoMap,
  attrs: NamedAttrMap,
): TensorInfo | null {
  const x = infoOf(inputs, 'x');
  const axes = axesAttr(attrs, x.shape.length);
  const isInFront = axes.length > 0 && axes.length < x.shape.length && axes.every((axis, i) => axis === i);
  if (!isInFront || x.dtype !== 'float32') return null;
  const kept = x.shape.slice(axes.length);
  const columns = tf.util.sizeFromShape(kept);
  const rows = tf.util.sizeFromShape(x.shape.slice(0, axes.length));
  return heap.withDoubles(columns, (sums) => {
    const out = heap.make([...(attrs.keepDims === true ? axes.map(() => 1) : []), ...kept]);
    heap.run('columnSums', x, sums, out, rows, columns);
    return out;
  });
}

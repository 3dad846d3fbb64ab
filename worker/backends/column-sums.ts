/** Sums over all axes but the last ones, which gradients of biases are: tfjs transposes the whole tensor first. */
import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs';
import { axesAttr } from './attrs.js';
import type { TensorFlow } from './backend.js';
import { floatsOf, infoOf, type Heap } from './heap.js';

/** Sum over the axes in front; null where this is another kind of sum. In float64, row by row, rounded once. */
export function columnSums(tf: TensorFlow, heap: Heap, inputs: NamedTensorInfoMap, attrs: NamedAttrMap): TensorInfo | null {
  const x = infoOf(inputs, 'x');
  const axes = axesAttr(attrs, x.shape.length);
  const isInFront = axes.length > 0 && axes.length < x.shape.length && axes.every((axis, i) => axis === i);
  if (!isInFront || x.dtype !== 'float32') return null;
  const kept = x.shape.slice(axes.length);
  const outInfo = heap.makeOutput(attrs.keepDims === true ? [...axes.map(() => 1), ...kept] : kept, 'float32');
  floatsOf(heap, outInfo).set(sumColumns(floatsOf(heap, x), tf.util.sizeFromShape(kept)));
  return outInfo;
}

/** x [N, columns] -> [columns] */
export function sumColumns(x: Float32Array, columns: number): Float64Array {
  const sums = new Float64Array(columns);
  for (let row = 0; row < x.length; row += columns) {
    for (let c = 0; c < columns; c++) sums[c] = (sums[c] ?? 0) + (x[row + c] ?? 0);
  }
  return sums;
}

/** The gradient of max pooling; tfjs has a slow loop for it. */
import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs';
import { convolutionAttrs, pairAttr, shape4 } from '../attrs.js';
import type { TensorFlow } from '../backend.js';
import { infoOf, type Heap } from './heap.js';

/** dx of each window's first largest element gets the window's dy. */
export function maxPoolGradient(
  tf: TensorFlow,
  heap: Heap,
  inputs: NamedTensorInfoMap,
  attrs: NamedAttrMap,
): TensorInfo {
  const x = infoOf(inputs, 'input');
  const { strides, pad, dimRoundingMode } = convolutionAttrs(attrs);
  const info = tf.backend_util.computePool2DInfo(
    shape4(x.shape),
    pairAttr(attrs, 'filterSize'),
    strides,
    1,
    pad,
    dimRoundingMode,
  );
  const dx = heap.make(x.shape);
  heap.run(
    'maxPoolGradient',
    x,
    infoOf(inputs, 'dy'),
    dx,
    info.batchSize,
    info.inHeight,
    info.inWidth,
    info.inChannels,
    info.outHeight,
    info.outWidth,
    info.filterHeight,
    info.filterWidth,
    info.strideHeight,
    info.strideWidth,
    info.padInfo.top,
    info.padInfo.left,
  );
  return dx;
}

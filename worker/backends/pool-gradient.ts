/** The gradient of max pooling. Shape suffixes: B batch, H W image, P Q output image, C channels. */
import type { backend_util, NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs';
import { convolutionAttrs, pairAttr, shape4 } from './attrs.js';
import type { TensorFlow } from './backend.js';
import { floatsOf, infoOf, type Heap } from './heap.js';

type Geometry = backend_util.Conv2DInfo;

/** dx of each window's first largest element gets the window's dy. */
export function maxPoolGradient(tf: TensorFlow, heap: Heap, inputs: NamedTensorInfoMap, attrs: NamedAttrMap): TensorInfo {
  const [x, dy] = [infoOf(inputs, 'input'), infoOf(inputs, 'dy')];
  const { strides, pad, dimRoundingMode } = convolutionAttrs(attrs);
  const info = tf.backend_util.computePool2DInfo(shape4(x.shape), pairAttr(attrs, 'filterSize'), strides, 1, pad, dimRoundingMode);
  const dxInfo = heap.makeOutput(x.shape, 'float32');
  routeToLargest(info, floatsOf(heap, x), floatsOf(heap, dy), floatsOf(heap, dxInfo).fill(0));
  return dxInfo;
}

function routeToLargest(info: Geometry, x_BHWC: Float32Array, dy_BPQC: Float32Array, dx_BHWC: Float32Array): void {
  const rowSize = info.inWidth * info.inChannels;
  let at = 0;
  for (let b = 0; b < info.batchSize; b++) {
    const image = b * info.inHeight * rowSize;
    for (let p = 0; p < info.outHeight; p++) {
      const top = p * info.strideHeight - info.padInfo.top;
      const rows = { from: Math.max(0, top), to: Math.min(info.inHeight, top + info.filterHeight) };
      for (let q = 0; q < info.outWidth; q++) {
        const left = q * info.strideWidth - info.padInfo.left;
        const [from, to] = [Math.max(0, left), Math.min(info.inWidth, left + info.filterWidth)];
        for (let c = 0; c < info.inChannels; c++, at++) {
          let largest = -Infinity;
          let place = -1;
          for (let h = rows.from; h < rows.to; h++) {
            let i = image + h * rowSize + from * info.inChannels + c;
            for (let w = from; w < to; w++, i += info.inChannels) {
              const value = x_BHWC[i] ?? 0;
              if (value > largest) {
                largest = value;
                place = i;
              }
            }
          }
          if (place >= 0) dx_BHWC[place] = (dx_BHWC[place] ?? 0) + (dy_BPQC[at] ?? 0);
        }
      }
    }
  }
}

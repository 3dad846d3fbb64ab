/**
 * Gradients of a convolution. Shape suffixes: B batch, H W image, P Q output image, R S filter, C channels in, K channels
 * out.
 */
import type { NamedAttrMap, Tensor } from '@tensorflow/tfjs-core';
import type { TensorFlow } from './backend.js';
import { convolutionAttrs, imagesOf, shapeAttr, type Inputs } from './composition.js';

/**
 * dL/dW [R,S,C,K] = sum over b,p,q of x[b, p stride + r, q stride + s, c] dy[b,p,q,k]: a convolution of x with dy where
 * batch and channels change roles, and the strides are the dilations.
 */
export function conv2dFilterGradient(tf: TensorFlow, inputs: Inputs, attrs: NamedAttrMap): Tensor {
  const x_BHWC = imagesOf(inputs, 'x');
  const dy_BPQK = imagesOf(inputs, 'dy');
  const filterShape = shapeAttr(attrs, 'filterShape');
  const { strides, pad, dimRoundingMode } = convolutionAttrs(attrs);
  const { padInfo, outHeight, outWidth } = tf.backend_util.computeConv2DInfo(x_BHWC.shape, filterShape, strides, 1, pad, dimRoundingMode);
  const [, height, width] = x_BHWC.shape;
  const rows = window(height, padInfo.top, filterShape[0] + (outHeight - 1) * strides[0]);
  const columns = window(width, padInfo.left, filterShape[1] + (outWidth - 1) * strides[1]);
  const used_BHWC = rows.used === height && columns.used === width ? x_BHWC : x_BHWC.slice([0, 0, 0, 0], [-1, rows.used, columns.used, -1]);
  const x_CHWB = used_BHWC.transpose<typeof x_BHWC>([3, 1, 2, 0]);
  const dy_PQBK = dy_BPQK.transpose<typeof dy_BPQK>([1, 2, 0, 3]);
  const dw_CRSK = tf.conv2d(x_CHWB, dy_PQBK, 1, [[0, 0], rows.padding, columns.padding, [0, 0]], 'NHWC', strides);
  return dw_CRSK.transpose([1, 2, 0, 3]);
}

/** How many of `size` rows an output reads that spans `span` rows from `before` rows above, and the zeros around them. */
function window(size: number, before: number, span: number): { used: number; padding: [number, number] } {
  const used = Math.min(size, span - before);
  return { used, padding: [before, span - before - used] };
}

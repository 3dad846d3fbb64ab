/**
 * Gradients of a convolution: the filter's by a SIMD kernel, the input's as convolutions. Shape suffixes: B batch, H W
 * image, P Q output image, R S filter, C channels in, K channels out.
 */
import type { NamedAttrMap, NamedTensorInfoMap, Tensor, Tensor4D, TensorInfo } from '@tensorflow/tfjs';
import { convolutionAttrs, shape4, shapeAttr } from '../attrs.js';
import type { TensorFlow } from '../backend.js';
import { imagesOf, type Inputs } from './composition.js';
import { infoOf, type Heap } from './heap.js';

/**
 * dL/dW [R,S,C,K] = sum over b,p,q of x[b, p stride + r, q stride + s, c] dy[b,p,q,k]; { x, dy } and their
 * convolution's attributes.
 */
export function conv2dFilterGradient(
  tf: TensorFlow,
  heap: Heap,
  inputs: NamedTensorInfoMap,
  attrs: NamedAttrMap,
): TensorInfo {
  const x = infoOf(inputs, 'x');
  const filterShape = shapeAttr(attrs, 'filterShape');
  const { strides, pad, dimRoundingMode } = convolutionAttrs(attrs);
  const info = tf.backend_util.computeConv2DInfo(shape4(x.shape), filterShape, strides, 1, pad, dimRoundingMode);
  const dw = heap.make(filterShape);
  heap.run(
    'filterGradient',
    x,
    infoOf(inputs, 'dy'),
    dw,
    info.batchSize,
    info.inHeight,
    info.inWidth,
    info.inChannels,
    info.outHeight,
    info.outWidth,
    info.outChannels,
    info.filterHeight,
    info.filterWidth,
    info.strideHeight,
    info.strideWidth,
    info.padInfo.top,
    info.padInfo.left,
  );
  return dw;
}

/**
 * dL/dx: seen along one axis, x[h] takes part in y[p] through W[r] where h + pad = p stride + r. With r = i + stride u
 * and h + pad = i + stride v, i in [0, stride), each phase i is a convolution without stride of dy with the turned
 * sub-filter W[i], W[i + stride], ...; the phases interleave to x.
 */
export function conv2dInputGradient(tf: TensorFlow, inputs: Inputs, attrs: NamedAttrMap): Tensor {
  const dy_BPQK = imagesOf(inputs, 'dy');
  const filter_RSCK = imagesOf(inputs, 'filter');
  const inputShape = shapeAttr(attrs, 'inputShape');
  const { strides, pad, dimRoundingMode } = convolutionAttrs(attrs);
  const { padInfo } = tf.backend_util.computeConv2DInfo(
    inputShape,
    filter_RSCK.shape,
    strides,
    1,
    pad,
    dimRoundingMode,
  );
  const [, height, width] = inputShape;
  if (strides[0] === 1 && strides[1] === 1) {
    return phase(tf, dy_BPQK, filter_RSCK, {
      rows: { from: padInfo.top, count: height },
      columns: { from: padInfo.left, count: width },
    });
  }
  const rows = { from: 0, count: Math.ceil((height + padInfo.top) / strides[0]) };
  const columns = { from: 0, count: Math.ceil((width + padInfo.left) / strides[1]) };
  const interleaved = tf.stack(
    range(strides[0]).map((i) =>
      tf.stack(
        range(strides[1]).map((j) =>
          phase(tf, dy_BPQK, subFilter(tf, filter_RSCK, [i, j], strides), { rows, columns }),
        ),
        3,
      ),
    ),
    2,
  );
  const [batch, , , channels] = inputShape;
  const padded = interleaved.reshape([batch, rows.count * strides[0], columns.count * strides[1], channels]);
  return padded.slice([0, padInfo.top, padInfo.left, 0], [-1, height, width, -1]);
}

interface Extent {
  readonly from: number;
  readonly count: number;
}

/** The full convolution of dy with the filter, at the given rows and columns of it. */
function phase(
  tf: TensorFlow,
  dy_BPQK: Tensor4D,
  filter_UVCK: Tensor4D,
  { rows, columns }: { rows: Extent; columns: Extent },
): Tensor4D {
  const [filterHeight, filterWidth, channels] = filter_UVCK.shape;
  const [batch, height, width] = dy_BPQK.shape;
  if (filterHeight === 0 || filterWidth === 0) return tf.zeros([batch, rows.count, columns.count, channels]);
  const high = window(height, rows.from - filterHeight + 1, rows.count + filterHeight - 1);
  const wide = window(width, columns.from - filterWidth + 1, columns.count + filterWidth - 1);
  const turned_UVKC = filter_UVCK.reverse([0, 1]).transpose<Tensor4D>([0, 1, 3, 2]);
  return tf.conv2d(cut(dy_BPQK, high, wide), turned_UVKC, 1, [[0, 0], high.padding, wide.padding, [0, 0]]);
}

function subFilter(
  tf: TensorFlow,
  filter_RSCK: Tensor4D,
  [i, j]: readonly [number, number],
  strides: [number, number],
): Tensor4D {
  const [height, width, channels, outputs] = filter_RSCK.shape;
  if (i >= height || j >= width) return tf.zeros([0, 0, channels, outputs]);
  return tf
    .stridedSlice(filter_RSCK, [i, j, 0, 0], [height, width, channels, outputs], [...strides, 1, 1])
    .as4D(Math.ceil((height - i) / strides[0]), Math.ceil((width - j) / strides[1]), channels, outputs);
}

interface Window {
  readonly from: number;
  readonly used: number;
  readonly padding: [number, number];
}

/** The rows [start, start + span) of an image of `size` rows: those that exist, and the zeros before and after them. */
function window(size: number, start: number, span: number): Window {
  const from = Math.min(size - 1, Math.max(0, start));
  const end = Math.max(from + 1, Math.min(size, start + span));
  return { from, used: end - from, padding: [from - start, start + span - end] };
}

function cut(image: Tensor4D, rows: Window, columns: Window): Tensor4D {
  if (rows.used === image.shape[1] && columns.used === image.shape[2]) return image;
  return image.slice([0, rows.from, columns.from, 0], [-1, rows.used, columns.used, -1]);
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

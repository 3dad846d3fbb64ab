/**
 * Gradients of a depthwise convolution. Shape suffixes: B batch, H W image, P Q output image, R S filter, C channels, M
 * channel multiplier; output channel c M + m comes from input channel c.
 */
import type { NamedAttrMap, Tensor, Tensor4D } from '@tensorflow/tfjs';
import { convolutionAttrs, shapeAttr, type ConvolutionAttrs, type Shape4 } from '../attrs.js';
import type { TensorFlow } from '../backend.js';
import { imagesOf, type Inputs } from './composition.js';

type Geometry = ReturnType<TensorFlow['backend_util']['computeConv2DInfo']>;

function geometryOf(tf: TensorFlow, inputShape: Shape4, filterShape: Shape4, attrs: ConvolutionAttrs): Geometry {
  return tf.backend_util.computeConv2DInfo(
    inputShape,
    filterShape,
    attrs.strides,
    attrs.dilations,
    attrs.pad,
    attrs.dimRoundingMode,
    true,
  );
}

/**
 * dL/dW [R,S,C,M] = sum over b,p,q of x[b, p stride + r dilation, q stride + s dilation, c] dy[b,p,q,c,m]: one product
 * and sum for each r,s.
 */
export function depthwiseFilterGradient(tf: TensorFlow, inputs: Inputs, attrs: NamedAttrMap): Tensor {
  const x_BHWC = imagesOf(inputs, 'x');
  const dy_BPQK = imagesOf(inputs, 'dy');
  const filterShape = shapeAttr(attrs, 'filterShape');
  const [filterHeight, filterWidth, channels, multiplier] = filterShape;
  const info = geometryOf(tf, x_BHWC.shape, filterShape, convolutionAttrs(attrs));
  const spanned = spans(info);
  const padded_BHWC = padOrCut(x_BHWC, info, spanned);
  const dy_NCM = dy_BPQK.reshape([-1, channels, multiplier]);
  const sums_CM: Tensor[] = [];
  for (let r = 0; r < filterHeight; r++) {
    for (let s = 0; s < filterWidth; s++) {
      const begin = [0, r * info.dilationHeight, s * info.dilationWidth, 0];
      const end = [info.batchSize, (begin[1] ?? 0) + spanned.rows, (begin[2] ?? 0) + spanned.columns, channels];
      const seen_BPQC = tf.stridedSlice(padded_BHWC, begin, end, [1, info.strideHeight, info.strideWidth, 1]);
      sums_CM.push(tf.sum(tf.mul(seen_BPQC.reshape([-1, channels, 1]), dy_NCM), 0));
    }
  }
  return tf.stack(sums_CM).reshape(filterShape);
}

/** Rows and columns between the first and the last position that one filter element reads. */
function spans(info: Geometry): { rows: number; columns: number } {
  return { rows: (info.outHeight - 1) * info.strideHeight + 1, columns: (info.outWidth - 1) * info.strideWidth + 1 };
}

/** The images with zeros around them, exactly as far as the filter reads. */
function padOrCut(x_BHWC: Tensor4D, info: Geometry, spanned: { rows: number; columns: number }): Tensor4D {
  const { padInfo } = info;
  const rows = spanned.rows + info.effectiveFilterHeight - 1;
  const columns = spanned.columns + info.effectiveFilterWidth - 1;
  const below = Math.max(0, rows - padInfo.top - info.inHeight);
  const right = Math.max(0, columns - padInfo.left - info.inWidth);
  return x_BHWC
    .pad<Tensor4D>([
      [0, 0],
      [padInfo.top, below],
      [padInfo.left, right],
      [0, 0],
    ])
    .slice([0, 0, 0, 0], [-1, rows, columns, -1]);
}

/**
 * dL/dx: the output's gradient with zeros between its pixels (stride - 1 of them), convolved with the filter turned by
 * half a turn; the channels that come from one input channel are added in their order.
 */
export function depthwiseInputGradient(tf: TensorFlow, inputs: Inputs, attrs: NamedAttrMap): Tensor {
  const dy_BPQK = imagesOf(inputs, 'dy');
  const filter_RSCM = imagesOf(inputs, 'filter');
  const [filterHeight, filterWidth, channels, multiplier] = filter_RSCM.shape;
  const info = geometryOf(tf, shapeAttr(attrs, 'inputShape'), filter_RSCM.shape, convolutionAttrs(attrs));
  const turned_RSCM = filter_RSCM.reverse([0, 1]);
  const dy_BPQCM = dy_BPQK.reshape([info.batchSize, info.outHeight, info.outWidth, channels, multiplier]);
  const parts = Array.from({ length: multiplier }, (_, m) => {
    const dy_BPQC = dy_BPQCM
      .slice([0, 0, 0, 0, m], [-1, -1, -1, -1, 1])
      .reshape<Tensor4D>([info.batchSize, info.outHeight, info.outWidth, channels]);
    const filter_RSC1 = turned_RSCM.slice([0, 0, 0, m], [filterHeight, filterWidth, channels, 1]);
    return tf.depthwiseConv2d(spread(dy_BPQC, info), filter_RSC1, 1, 'valid', 'NHWC', [
      info.dilationHeight,
      info.dilationWidth,
    ]);
  });
  return parts.reduce((sum, part) => tf.add(sum, part));
}

/** Zeros between the pixels of dy and around them, so that a convolution without padding gives the input's size. */
function spread(dy_BPQC: Tensor4D, info: Geometry): Tensor4D {
  const [batch, rows, columns, channels] = dy_BPQC.shape;
  const { strideHeight, strideWidth, padInfo } = info;
  const spaced = dy_BPQC.reshape([batch, rows, 1, columns, 1, channels]).pad([
    [0, 0],
    [0, 0],
    [0, strideHeight - 1],
    [0, 0],
    [0, strideWidth - 1],
    [0, 0],
  ]);
  const { rows: spanRows, columns: spanColumns } = spans(info);
  const cut = spaced
    .reshape<Tensor4D>([batch, rows * strideHeight, columns * strideWidth, channels])
    .slice([0, 0, 0, 0], [-1, spanRows, spanColumns, -1]);
  const top = info.effectiveFilterHeight - 1 - padInfo.top;
  const left = info.effectiveFilterWidth - 1 - padInfo.left;
  const below = info.inHeight + info.effectiveFilterHeight - 1 - spanRows - top;
  const right = info.inWidth + info.effectiveFilterWidth - 1 - spanColumns - left;
  return cut.pad<Tensor4D>([
    [0, 0],
    [top, below],
    [left, right],
    [0, 0],
  ]);
}

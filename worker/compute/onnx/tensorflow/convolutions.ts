/** Convolutions, pools and their like, which ONNX has with channels first: each stands between two transposes. */
import { mustAt } from '../../../../shared/must.js';
import type { Attribute } from '../graph.js';
import { activated } from './elementwise.js';
import { asValue, turned, type NodeWriter, type WriteNode } from './node.js';

function channelsFirst(n: NodeWriter, inner: (x: string) => string): string {
  if (n.text('data_format', 'NHWC') !== 'NHWC')
    throw n.refusal(`its data_format is ${n.text('data_format', '')}; NHWC was wanted for ONNX`);
  const there = n.b.node('Transpose', [n.input(0)], { perm: [0, 3, 1, 2] });
  return n.b.node('Transpose', [inner(there)], { perm: [0, 2, 3, 1] });
}

/** Those of height and width, of a list for [rows, height, width, channels]. */
const places = (list: readonly number[]): number[] => (list.length === 4 ? list.slice(1, 3) : [1, 1]);

function padding(n: NodeWriter, kernel: readonly number[]): Readonly<Record<string, Attribute>> {
  const dilations = places(n.list('dilations'));
  const apart = dilations.every((rate) => rate === 1) ? {} : { dilations };
  switch (n.text('padding', 'VALID')) {
    case 'VALID':
      return { auto_pad: 'VALID', ...apart };
    case 'EXPLICIT': {
      const [top = 0, bottom = 0, left = 0, right = 0] = n.list('explicit_paddings').slice(2, 6);
      return { pads: [top, left, bottom, right], ...apart };
    }
    default: {
      if (!('dilations' in apart)) return { auto_pad: 'SAME_UPPER' };
      // Where places of the kernel are apart, its steps are 1, and onnxruntime wants lengths in numbers.
      const lengths = kernel.map((length, axis) => (length - 1) * mustAt(dilations, axis, 'dilation'));
      return {
        pads: [...lengths.map((one) => Math.floor(one / 2)), ...lengths.map((one) => Math.ceil(one / 2))],
        ...apart,
      };
    }
  }
}

/** Kernel [height, width, in, out], or depthwise [height, width, in, multiplier], to ONNX' [out, in / groups, ...]. */
function convolution(n: NodeWriter, isDepthwise: boolean): string {
  const kernel = n.known(1, 'kernel');
  const [height = 1, width = 1, inward = 1, outward = 1] = kernel.shape;
  const own = isDepthwise
    ? turned(kernel, [2, 3, 0, 1], [inward * outward, 1, height, width])
    : turned(kernel, [3, 2, 0, 1], [outward, inward, height, width]);
  const attributes = {
    ...padding(n, [height, width]),
    kernel_shape: [height, width],
    strides: places(n.list('strides')),
    group: isDepthwise ? inward : 1,
  };
  return channelsFirst(n, (x) => n.b.node('Conv', [x, asValue(n.b, own)], attributes));
}

/** A node that adds a bias and activates what it gives. @param x what it gives by itself */
export function fused(n: NodeWriter, x: string): string {
  let at = 2;
  return n.texts('fused_ops').reduce((value, op) => {
    if (op === 'BiasAdd') return n.b.node('Add', [value, n.input(at++)]);
    if (op === 'Prelu') return n.b.node('PRelu', [value, n.input(at++)]);
    return activated(n, value, op);
  }, x);
}

function pool(n: NodeWriter, op: 'MaxPool' | 'AveragePool'): string {
  const size = places(n.list('ksize'));
  const attributes = { ...padding(n, size), kernel_shape: size, strides: places(n.list('strides')) };
  return channelsFirst(n, (x) => n.b.node(op, [x], attributes));
}

/** Batch norm by its moving values, which are known: one factor and one shift. */
function batchNorm(n: NodeWriter): string {
  if (n.flag('is_training')) throw n.refusal("it takes its samples' own moments");
  if (n.text('data_format', 'NHWC') !== 'NHWC') throw n.refusal('its data_format is not NHWC');
  const [scale, offset, mean, variance] = ['scale', 'offset', 'mean', 'variance'].map(
    (what, i) => n.known(1 + i, what).values,
  );
  const epsilon = n.number('epsilon', 1e-3);
  const factor = Float32Array.from(variance ?? [], (value, i) => (scale?.[i] ?? 1) / Math.sqrt(value + epsilon));
  const shift = factor.map((value, i) => (offset?.[i] ?? 0) - (mean?.[i] ?? 0) * value);
  const scaled = n.b.node('Mul', [n.input(0), n.b.constant(factor, [factor.length])]);
  return n.b.node('Add', [scaled, n.b.constant(shift, [shift.length])]);
}

function resize(n: NodeWriter, mode: 'linear' | 'nearest'): string {
  const isHalf = n.flag('half_pixel_centers');
  const isAligned = n.flag('align_corners');
  const how = {
    mode,
    coordinate_transformation_mode: isAligned ? 'align_corners' : isHalf ? 'half_pixel' : 'asymmetric',
    // floor((i + 0.5) * step) is what rounds (i + 0.5) * step - 0.5 to the nearest, halves up.
    ...(mode === 'nearest' ? { nearest_mode: isHalf || isAligned ? 'round_prefer_ceil' : 'floor' } : {}),
  };
  return channelsFirst(n, (x) => {
    const kept = n.b.node('Slice', [n.b.node('Shape', [x]), n.b.integers(0), n.b.integers(2)]);
    const sizes = n.b.node('Concat', [kept, n.input(1)], { axis: 0 });
    return n.b.node('Resize', [x, '', '', sizes], how);
  });
}

/** By TensorFlow's name. */
export const convolutions: Readonly<Record<string, WriteNode>> = {
  Conv2D: (n) => convolution(n, false),
  _FusedConv2D: (n) => fused(n, convolution(n, false)),
  DepthwiseConv2dNative: (n) => convolution(n, true),
  FusedDepthwiseConv2dNative: (n) => fused(n, convolution(n, true)),
  MaxPool: (n) => pool(n, 'MaxPool'),
  AvgPool: (n) => pool(n, 'AveragePool'),
  FusedBatchNorm: batchNorm,
  FusedBatchNormV2: batchNorm,
  FusedBatchNormV3: batchNorm,
  ResizeBilinear: (n) => resize(n, 'linear'),
  ResizeNearestNeighbor: (n) => resize(n, 'nearest'),
  DepthToSpace: (n) =>
    channelsFirst(n, (x) => n.b.node('DepthToSpace', [x], { blocksize: n.number('block_size', 1), mode: 'DCR' })),
};

/** Convolutions, pools and their like as ONNX nodes, which want channels first: each stands between two transposes. */
import type { LayerJson } from '../../../../shared/models/topology.js';
import { mustAt } from '../../../../shared/must.js';
import type { Attribute } from '../graph.js';
import { activated } from './activations.js';
import { numberOr, numbers, pair, refusal, type OnnxBuilder } from './builder.js';

/** Axes of the places that the layer goes over: one, or two. */
const placesOf = ({ class_name: name }: LayerJson): 1 | 2 => (name.endsWith('1D') ? 1 : 2);

function channelsFirst(b: OnnxBuilder, layer: LayerJson, x: string, inner: (x: string) => string): string {
  const [there, back] =
    placesOf(layer) === 1
      ? [
          [0, 2, 1],
          [0, 2, 1],
        ]
      : [
          [0, 3, 1, 2],
          [0, 2, 3, 1],
        ];
  return b.node('Transpose', [inner(b.node('Transpose', [x], { perm: there }))], { perm: back });
}

/** @throws UserError 65 for a padding that ONNX' operators do not have */
function padding(layer: LayerJson): string {
  if (layer.config.padding === 'causal') throw refusal(layer, 'causal padding cannot be written as ONNX');
  return layer.config.padding === 'same' ? 'SAME_UPPER' : 'VALID';
}

/** Padding and dilations. Where places of a kernel are apart, its steps are 1, and onnxruntime wants lengths in numbers. */
function paddingOf(layer: LayerJson, kernel: readonly number[]): Readonly<Record<string, Attribute>> {
  const auto = { auto_pad: padding(layer) };
  const rates = along(layer, layer.config.dilation_rate, 1);
  if (rates.every((rate) => rate === 1)) return auto;
  if (auto.auto_pad === 'VALID') return { ...auto, dilations: rates };
  const lengths = kernel.map((length, axis) => (length - 1) * mustAt(rates, axis, 'rate'));
  const pads = [...lengths.map((length) => Math.floor(length / 2)), ...lengths.map((length) => Math.ceil(length / 2))];
  return { pads, dilations: rates };
}

function along(layer: LayerJson, value: unknown, otherwise: number): number[] {
  const places = placesOf(layer);
  const [first, second] = pair(value, [otherwise, otherwise]);
  return [first ?? otherwise, second ?? first ?? otherwise].slice(0, places);
}

/** Adds the layer's bias to `x`, where it has one. @returns the sum's name */
export function biased(b: OnnxBuilder, layer: LayerJson, x: string): string {
  return layer.config.use_bias === false ? x : b.node('Add', [x, b.weightConstant(layer, 'bias')]);
}

/** Adds the layer's bias to `x` and applies its activation. @returns the result's name */
export function finished(b: OnnxBuilder, layer: LayerJson, x: string): string {
  return activated(b, layer, biased(b, layer, x));
}

/** The layer's own bias as a further input; none where it has none. */
function biasOf(b: OnnxBuilder, layer: LayerJson): string[] {
  return layer.config.use_bias === false ? [] : [b.weightConstant(layer, 'bias')];
}

/**
 * Kernel [places..., in, out], or depthwise [places..., in, multiplier], to ONNX's [out, in / groups, places...].
 *
 * @param isBiased whether the layer's bias is its own: that of a separable convolution belongs to its second half
 */
export function convolution(
  b: OnnxBuilder,
  layer: LayerJson,
  x: string,
  { name, isBiased }: { readonly name: 'kernel' | 'depthwise_kernel'; readonly isBiased: boolean },
): string {
  const { shape } = b.weight(layer, name);
  const [inward = 1, outward = 1] = shape.slice(-2);
  const places = shape.slice(0, -2);
  const rank = places.length;
  const axes = places.map((_, axis) => axis);
  const isDepthwise = name === 'depthwise_kernel';
  const kernel = b.turnedWeight(
    layer,
    name,
    isDepthwise
      ? { perm: [rank, rank + 1, ...axes], shape: [inward * outward, 1, ...places] }
      : { perm: [rank + 1, rank, ...axes], shape: [outward, inward, ...places] },
  );
  const attributes = {
    ...paddingOf(layer, places),
    kernel_shape: places,
    strides: along(layer, layer.config.strides, 1),
    group: isDepthwise ? inward : 1,
  };
  const bias = isBiased ? biasOf(b, layer) : [];
  return channelsFirst(b, layer, x, (inner) => b.node('Conv', [inner, kernel, ...bias], attributes));
}

/** The second half of a separable convolution: channels alone are mixed, by a kernel [1, 1, in, out]. */
export function pointwise(b: OnnxBuilder, layer: LayerJson, x: string): string {
  const { shape } = b.weight(layer, 'pointwise_kernel');
  return b.node('MatMul', [x, b.turnedWeight(layer, 'pointwise_kernel', { shape: shape.slice(-2) })]);
}

/**
 * Kernel [height, width, out, in] to ONNX's [in, out, height, width]; its padding written out, since TensorFlow's is
 * that of the convolution whose gradient it is.
 */
export function transposedConvolution(b: OnnxBuilder, layer: LayerJson, x: string): string {
  const { shape } = b.weight(layer, 'kernel');
  const [height = 1, width = 1, outward = 1, inward = 1] = shape;
  const kernel = b.turnedWeight(layer, 'kernel', { perm: [3, 2, 0, 1], shape: [inward, outward, height, width] });
  const strides = along(layer, layer.config.strides, 1);
  const excess = [height, width].map((length, i) => length - (strides[i] ?? 1));
  const cut = excess.map((more) => (layer.config.padding === 'same' ? Math.max(0, more) : 0));
  const attributes = {
    kernel_shape: [height, width],
    strides,
    output_padding: excess.map((more) => Math.max(0, -more)),
    pads: [...cut.map((more) => Math.floor(more / 2)), ...cut.map((more) => Math.ceil(more / 2))],
  };
  const bias = biasOf(b, layer);
  return channelsFirst(b, layer, x, (inner) => b.node('ConvTranspose', [inner, kernel, ...bias], attributes));
}

/** Writes a pool over height and width. @returns its output's name */
export function pool(b: OnnxBuilder, layer: LayerJson, x: string, op: 'MaxPool' | 'AveragePool'): string {
  const { config } = layer;
  const size = along(layer, config.pool_size, 2);
  const strides = numbers(config.strides).length === 0 ? size : along(layer, config.strides, numberOr(size[0], 2));
  return channelsFirst(b, layer, x, (inner) =>
    b.node(op, [inner], { auto_pad: padding(layer), kernel_shape: size, strides }),
  );
}

/** Writes an UpSampling2D layer, which repeats or interpolates places. @returns its output's name */
export function upSampling(b: OnnxBuilder, layer: LayerJson, x: string): string {
  const { config } = layer;
  const [height = 2, width = 2] = along(layer, config.size, 2);
  const how =
    config.interpolation === 'bilinear'
      ? { mode: 'linear', coordinate_transformation_mode: 'asymmetric' }
      : { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
  return channelsFirst(b, layer, x, (inner) =>
    b.node('Resize', [inner, '', b.constant(Float32Array.of(1, 1, height, width), [4])], how),
  );
}

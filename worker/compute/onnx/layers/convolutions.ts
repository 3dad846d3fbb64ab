/** Convolutions, pools and their like as ONNX nodes, which want channels first: each stands between two transposes. */
import type { LayerJson } from '../../../../shared/models/topology.js';
import { elementsIn } from '../../../../shared/shape.js';
import { activated } from './activations.js';
import { numberOr, numbers, pair, type OnnxBuilder } from './builder.js';

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

const padding = ({ config }: LayerJson): string => (config.padding === 'same' ? 'SAME_UPPER' : 'VALID');

function along(layer: LayerJson, value: unknown, otherwise: number): number[] {
  const places = placesOf(layer);
  const [first, second] = pair(value, [otherwise, otherwise]);
  return [first ?? otherwise, second ?? first ?? otherwise].slice(0, places);
}

export function biased(b: OnnxBuilder, layer: LayerJson, x: string): string {
  return layer.config.use_bias === false ? x : b.node('Add', [x, b.weightConstant(layer, 'bias')]);
}

/** With bias and activation. */
export function finished(b: OnnxBuilder, layer: LayerJson, x: string): string {
  return activated(b, layer, biased(b, layer, x));
}

/** Kernel [places..., in, out], or depthwise [places..., in, multiplier], to ONNX's [out, in / groups, places...]. */
export function convolution(b: OnnxBuilder, layer: LayerJson, x: string, name: 'kernel' | 'depthwise_kernel'): string {
  const { values, shape } = b.weight(layer, name);
  const [inward = 1, outward = 1] = shape.slice(-2);
  const places = shape.slice(0, -2);
  const isDepthwise = name === 'depthwise_kernel';
  const turned = placesLast(values, {
    places,
    channels: inward * outward,
    rowOf: (c) => (isDepthwise ? c : (c % outward) * inward + Math.floor(c / outward)),
  });
  const kernel = b.constant(turned, isDepthwise ? [inward * outward, 1, ...places] : [outward, inward, ...places]);
  const attributes = {
    auto_pad: padding(layer),
    kernel_shape: places,
    strides: along(layer, layer.config.strides, 1),
    group: isDepthwise ? inward : 1,
  };
  return channelsFirst(b, layer, x, (inner) => b.node('Conv', [inner, kernel], attributes));
}

interface Turning {
  readonly places: readonly number[];
  readonly channels: number;
  /** Where a channel (in, out together) goes. */
  readonly rowOf: (channel: number) => number;
}

function placesLast(values: Float32Array, { places, channels, rowOf }: Turning): Float32Array {
  const turned = new Float32Array(values.length);
  const count = elementsIn(places);
  for (let place = 0; place < count; place++) {
    for (let c = 0; c < channels; c++) turned[rowOf(c) * count + place] = values[place * channels + c] ?? 0;
  }
  return turned;
}

/** The second half of a separable convolution: channels alone are mixed, by a kernel [1, 1, in, out]. */
export function pointwise(b: OnnxBuilder, layer: LayerJson, x: string): string {
  const { values, shape } = b.weight(layer, 'pointwise_kernel');
  return b.node('MatMul', [x, b.constant(values, shape.slice(-2))]);
}

/**
 * Kernel [height, width, out, in] to ONNX's [in, out, height, width]; its padding written out, since TensorFlow's is
 * that of the convolution whose gradient it is.
 */
export function transposedConvolution(b: OnnxBuilder, layer: LayerJson, x: string): string {
  const { values, shape } = b.weight(layer, 'kernel');
  const [height = 1, width = 1, outward = 1, inward = 1] = shape;
  const turned = placesLast(values, {
    places: [height, width],
    channels: inward * outward,
    rowOf: (c) => (c % inward) * outward + Math.floor(c / inward),
  });
  const strides = along(layer, layer.config.strides, 1);
  const excess = [height, width].map((length, i) => length - (strides[i] ?? 1));
  const cut = excess.map((more) => (layer.config.padding === 'same' ? Math.max(0, more) : 0));
  const attributes = {
    kernel_shape: [height, width],
    strides,
    output_padding: excess.map((more) => Math.max(0, -more)),
    pads: [...cut.map((more) => Math.floor(more / 2)), ...cut.map((more) => Math.ceil(more / 2))],
  };
  return channelsFirst(b, layer, x, (inner) =>
    b.node('ConvTranspose', [inner, b.constant(turned, [inward, outward, height, width])], attributes),
  );
}

export function pool(b: OnnxBuilder, layer: LayerJson, x: string, op: 'MaxPool' | 'AveragePool'): string {
  const { config } = layer;
  const size = along(layer, config.pool_size, 2);
  const strides = numbers(config.strides).length === 0 ? size : along(layer, config.strides, numberOr(size[0], 2));
  return channelsFirst(b, layer, x, (inner) =>
    b.node(op, [inner], { auto_pad: padding(layer), kernel_shape: size, strides }),
  );
}

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

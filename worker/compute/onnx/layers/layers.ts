/**
 * Each layer of a student as ONNX nodes. Tensors stay channels last between layers; convolutions and pools transpose
 * inside.
 */
import { wrappedIn, type LayerJson } from '../../../../shared/models/topology.js';
import { activated } from './activations.js';
import { numberOr, numbers, refusal, type OnnxBuilder } from './builder.js';
import { biased, convolution, finished, pointwise, pool, transposedConvolution, upSampling } from './convolutions.js';
import { differs, masking } from './masks.js';
import { bidirectional, ofCells, recurrent } from './recurrent.js';
import { must, mustAt } from '../../../../shared/must.js';

type Write = (b: OnnxBuilder, layer: LayerJson, inputs: readonly string[]) => string;
const one =
  (write: (b: OnnxBuilder, layer: LayerJson, x: string) => string): Write =>
  (b, layer, inputs) =>
    write(b, layer, mustAt(inputs, 0, 'input'));
const merge =
  (op: string): Write =>
  (b, _, inputs) =>
    inputs.reduce((sum, x) => b.node(op, [sum, x]));
const reduce = (op: string, ...axes: number[]): Write => one((b, _, x) => b.node(op, [x], { axes, keepdims: 0 }));
const same: Write = one((_b, _layer, x) => x);

const writers: Readonly<Record<string, Write>> = {
  InputLayer: same,
  // Noise is for training alone.
  GaussianNoise: same,
  GaussianDropout: same,
  AlphaDropout: same,
  SpatialDropout1D: same,
  Dense: one((b, layer, x) =>
    activated(b, layer, biased(b, layer, b.node('MatMul', [x, b.weightConstant(layer, 'kernel')]))),
  ),
  Conv1D: one((b, layer, x) => activated(b, layer, convolution(b, layer, x, { name: 'kernel', isBiased: true }))),
  Conv2D: one((b, layer, x) => activated(b, layer, convolution(b, layer, x, { name: 'kernel', isBiased: true }))),
  DepthwiseConv2D: one((b, layer, x) =>
    activated(b, layer, convolution(b, layer, x, { name: 'depthwise_kernel', isBiased: true })),
  ),
  SeparableConv2D: one((b, layer, x) =>
    finished(b, layer, pointwise(b, layer, convolution(b, layer, x, { name: 'depthwise_kernel', isBiased: false }))),
  ),
  Conv2DTranspose: one((b, layer, x) => activated(b, layer, transposedConvolution(b, layer, x))),
  MaxPooling1D: one((b, layer, x) => pool(b, layer, x, 'MaxPool')),
  AveragePooling1D: one((b, layer, x) => pool(b, layer, x, 'AveragePool')),
  MaxPooling2D: one((b, layer, x) => pool(b, layer, x, 'MaxPool')),
  AveragePooling2D: one((b, layer, x) => pool(b, layer, x, 'AveragePool')),
  UpSampling2D: one(upSampling),
  BatchNormalization: one(batchNorm),
  LayerNormalization: one(layerNorm),
  Activation: one((b, layer, x) => activated(b, layer, x)),
  ReLU: one((b, { config }, x) =>
    typeof config.max_value === 'number'
      ? b.node('Clip', [x, b.scalar(0), b.scalar(config.max_value)])
      : b.node('Relu', [x]),
  ),
  LeakyReLU: one((b, { config }, x) => b.node('LeakyRelu', [x], { alpha: { float: numberOr(config.alpha, 0.3) } })),
  ELU: one((b, { config }, x) => b.node('Elu', [x], { alpha: { float: numberOr(config.alpha, 1) } })),
  PReLU: one((b, layer, x) => b.node('PRelu', [x, b.weightConstant(layer, 'alpha')])),
  Softmax: one((b, { config }, x) => b.node('Softmax', [x], { axis: numberOr(config.axis, -1) })),
  Rescaling: one((b, { config }, x) =>
    b.node('Add', [b.node('Mul', [x, b.scalar(numberOr(config.scale, 1))]), b.scalar(numberOr(config.offset, 0))]),
  ),
  Embedding: one(embedding),
  Masking: one(masking),
  Permute: one((b, { config }, x) => b.node('Transpose', [x], { perm: [0, ...numbers(config.dims)] })),
  RepeatVector: one((b, { config }, x) =>
    b.node('Tile', [b.node('Unsqueeze', [x, b.integers(1)]), b.integers(1, numberOr(config.n, 1), 1)]),
  ),
  SimpleRNN: one(recurrent),
  GRU: one(recurrent),
  LSTM: one(recurrent),
  RNN: one(ofCells),
  Bidirectional: one((b, layer, x) => bidirectional(b, layer, innerOf(layer), x)),
  TimeDistributed: one(timeDistributed),
  Flatten: one((b, _, x) => b.node('Flatten', [x], { axis: 1 })),
  Reshape: one((b, { config }, x) => b.node('Reshape', [x, b.integers(0, ...numbers(config.target_shape))])),
  GlobalAveragePooling1D: reduce('ReduceMean', 1),
  GlobalMaxPooling1D: reduce('ReduceMax', 1),
  GlobalAveragePooling2D: reduce('ReduceMean', 1, 2),
  GlobalMaxPooling2D: reduce('ReduceMax', 1, 2),
  Add: merge('Add'),
  Multiply: merge('Mul'),
  Maximum: merge('Max'),
  Minimum: merge('Min'),
  Average: (b, _, inputs) => b.node('Mean', inputs),
  Dot: dot,
  Concatenate: (b, { config }, inputs) => b.node('Concat', inputs, { axis: numberOr(config.axis, -1) }),
  Cropping2D: one((b, { config }, x) => {
    const [top = 0, bottom = 0, left = 0, right = 0] = numbers([config.cropping].flat(2));
    return b.node('Slice', [
      x,
      b.integers(top, left),
      b.integers(bottom === 0 ? Number.MAX_SAFE_INTEGER : -bottom, right === 0 ? Number.MAX_SAFE_INTEGER : -right),
      b.integers(1, 2),
    ]);
  }),
  ZeroPadding2D: one((b, { config }, x) => {
    const [top = 0, bottom = 0, left = 0, right = 0] = numbers([config.padding].flat(2));
    return b.node('Pad', [x, b.integers(0, top, left, 0, 0, bottom, right, 0)]);
  }),
};

/** @returns the name of the layer's output @throws UserError 65, naming layer and type, for what cannot be written */
export function writeLayer(b: OnnxBuilder, layer: LayerJson, inputs: readonly string[]): string {
  const write = Object.hasOwn(writers, layer.class_name) ? writers[layer.class_name] : undefined;
  if (write === undefined) throw refusal(layer, 'layers of this type cannot be written as ONNX');
  if (layer.config.data_format === 'channels_first')
    throw refusal(layer, 'its data_format is channels_first; channels_last was wanted for ONNX');
  if ([layer, ...wrappedIn(layer.config)].some(({ config }) => config.stateful === true))
    throw refusal(layer, 'it is stateful, which cannot be written as ONNX');
  return write(b, layer, inputs);
}

function embedding(b: OnnxBuilder, layer: LayerJson, x: string): string {
  const out = b.node('Gather', [b.weightConstant(layer, 'embeddings'), b.node('Cast', [x], { to: 7 })], { axis: 0 });
  if (layer.config.mask_zero === true) b.masks.set(out, differs(b, x, 0));
  return out;
}

/** The layer inside a Bidirectional or TimeDistributed. @throws UserError 65 when there is none */
function innerOf(wrapper: LayerJson): LayerJson {
  const [inner] = wrappedIn(wrapper.config);
  if (inner !== undefined) return inner;
  throw refusal(wrapper, 'it holds no layer; one was wanted');
}

/** Layers that do to each step what they do to a whole tensor: they look at the last axis alone, or at each number. */
const stepwise = new Set([
  'Dense',
  'Activation',
  'ReLU',
  'LeakyReLU',
  'ELU',
  'Softmax',
  'LayerNormalization',
  'Rescaling',
]);

function timeDistributed(b: OnnxBuilder, layer: LayerJson, x: string): string {
  const inner = innerOf(layer);
  if (!stepwise.has(inner.class_name))
    throw refusal(layer, `a ${inner.class_name} at each step cannot be written as ONNX`);
  // The inner layer's weights have the wrapper's name.
  return writeLayer(b, { ...inner, config: { ...inner.config, name: layer.config.name } }, [x]);
}

/** Writes a batch norm in inference, over the last axis. @throws UserError 65 for another axis */
function batchNorm(b: OnnxBuilder, layer: LayerJson, x: string): string {
  const [axis = -1] = numbers(layer.config.axis);
  if (axis !== -1 && axis !== must(b.ranks, x, 'rank') - 1)
    throw refusal(layer, `its axis is ${axis}; the last one was wanted for ONNX`);
  return b.batchNorm(layer, x);
}

/**
 * Products along one axis of each, of matrices or vectors; a vector is a matrix of one column, whose axis is left out
 * again.
 */
function dot(b: OnnxBuilder, layer: LayerJson, inputs: readonly string[]): string {
  const given = numbers(layer.config.axes);
  const sides = [0, 1].map((i) => {
    const input = mustAt(inputs, i, 'input');
    const rank = must(b.ranks, input, 'rank');
    const axis = given[i] ?? given[0] ?? 0;
    const along = axis < 0 ? axis + rank : axis;
    if (along === 0)
      throw refusal(layer, `its axes are ${given.join(', ')}; axes behind the batch were wanted for ONNX`);
    const scaled = layer.config.normalize === true ? normalised(b, input, along) : input;
    const isVector = rank === 2;
    const matrix = isVector ? b.node('Unsqueeze', [scaled, b.integers(2)]) : scaled;
    return { isVector, along, matrix };
  });
  const [x, y] = sides;
  if (x === undefined || y === undefined) throw new Error('two inputs');
  const left = x.along === 2 ? x.matrix : b.node('Transpose', [x.matrix], { perm: [0, 2, 1] });
  const right = y.along === 2 ? b.node('Transpose', [y.matrix], { perm: [0, 2, 1] }) : y.matrix;
  const product = b.node('MatMul', [left, right]);
  if (!x.isVector && !y.isVector) return product;
  // The product of two vectors keeps one axis.
  return b.node('Squeeze', [product, b.integers(y.isVector ? 2 : 1)]);
}

/** Scales `x` to a length of 1 along the axis; tfjs' smallest squared length is 1e-7. */
function normalised(b: OnnxBuilder, x: string, axis: number): string {
  const squares = b.node('ReduceSumSquare', [x], { axes: [axis], keepdims: 1 });
  return b.node('Div', [x, b.node('Sqrt', [b.node('Max', [squares, b.scalar(1e-7)])])]);
}

/** (x - mean) / sqrt(variance + epsilon) * gamma + beta, over the last axis of each place. */
function layerNorm(b: OnnxBuilder, layer: LayerJson, x: string): string {
  const { config } = layer;
  const [axis = -1, ...more] = numbers(config.axis);
  const last = must(b.ranks, x, 'rank') - 1;
  if ((axis !== -1 && axis !== last) || more.length > 0)
    throw refusal(layer, `its axis is ${[axis, ...more].join(', ')}; the last one was wanted for ONNX`);
  const mean = (values: string): string => b.node('ReduceMean', [values], { axes: [-1], keepdims: 1 });
  const off = b.node('Sub', [x, mean(x)]);
  const spread = b.node('Sqrt', [
    b.node('Add', [mean(b.node('Mul', [off, off])), b.scalar(numberOr(config.epsilon, 1e-3))]),
  ]);
  const plain = b.node('Div', [off, spread]);
  const scaled = config.scale === false ? plain : b.node('Mul', [plain, b.weightConstant(layer, 'gamma')]);
  return config.center === false ? scaled : b.node('Add', [scaled, b.weightConstant(layer, 'beta')]);
}

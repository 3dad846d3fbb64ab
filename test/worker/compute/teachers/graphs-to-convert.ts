/** Frozen graphs as tensorflowjs_converter writes them, of the kinds that teachers have, written by hand. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomStream } from '../../../../shared/random.js';

type Attributes = Readonly<Record<string, object>>;

export const text = (value: string): object => ({ s: Buffer.from(value).toString('base64') });
const texts = (...values: string[]): object => ({
  list: { s: values.map((one) => Buffer.from(one).toString('base64')) },
});
const ints = (...values: number[]): object => ({ list: { i: values.map(String) } });
const int = (value: number): object => ({ i: String(value) });
const float = (value: number): object => ({ f: value });
const flag = (value: boolean): object => ({ b: value });
const type = (name: string): object => ({ type: `DT_${name}` });

/** Collects the nodes and weights of a graph. Each method gives the name of its node. */
export class GraphFile {
  readonly #nodes: object[] = [];
  readonly #weights: { name: string; shape: number[]; dtype: string }[] = [];
  readonly #bytes: Buffer[] = [];
  #signature: object = {};

  placeholder(name: string, shape: readonly number[], dtype: 'FLOAT' | 'INT32' | 'BOOL' = 'FLOAT'): string {
    const dims = { shape: { dim: shape.map((size) => ({ size: String(size) })) } };
    this.#nodes.push({ name, op: 'Placeholder', input: [], attr: { dtype: type(dtype), shape: dims } });
    return name;
  }

  node(name: string, op: string, input: readonly string[], attr: Attributes = {}): string {
    this.#nodes.push({ name, op, input, attr: { T: type('FLOAT'), ...attr } });
    return name;
  }

  /** Weights drawn by their name, from `least` to `most`. */
  weights(name: string, shape: readonly number[], [least, most]: readonly [number, number] = [-0.6, 0.7]): string {
    const stream = randomStream(['weights', name]);
    const size = shape.reduce((a, b) => a * b, 1);
    return this.constant(
      name,
      shape,
      Float32Array.from({ length: size }, () => least + (most - least) * stream.float()),
    );
  }

  constant(name: string, shape: readonly number[], values: Float32Array | Int32Array): string {
    const dtype = values instanceof Int32Array ? 'int32' : 'float32';
    this.#nodes.push({ name, op: 'Const', input: [], attr: { dtype: type(dtype === 'int32' ? 'INT32' : 'FLOAT') } });
    this.#weights.push({ name, shape: [...shape], dtype });
    this.#bytes.push(Buffer.from(values.buffer));
    return name;
  }

  ints(name: string, ...values: number[]): string {
    return this.constant(name, [values.length], Int32Array.from(values));
  }

  int(name: string, value: number): string {
    return this.constant(name, [], Int32Array.of(value));
  }

  /** Gives the output, and inputs by their nodes, names beside their nodes', as a SavedModel's signature does. */
  sign(key: string, node: string, inputs: Readonly<Record<string, string>> = {}): this {
    const named = Object.entries(inputs).map(([input, place]) => [input, { name: `${place}:0` }] as const);
    this.#signature = { signature: { inputs: Object.fromEntries(named), outputs: { [key]: { name: `${node}:0` } } } };
    return this;
  }

  /** Writes FOLDER/model.json and its weights. @returns model.json's path */
  save(folder: string): string {
    writeFileSync(join(folder, 'w.bin'), Buffer.concat(this.#bytes));
    const weightsManifest = [{ paths: ['w.bin'], weights: this.#weights }];
    const modelTopology = { node: this.#nodes, versions: { producer: 1 } };
    const path = join(folder, 'model.json');
    writeFileSync(path, JSON.stringify({ format: 'graph-model', ...this.#signature, modelTopology, weightsManifest }));
    return path;
  }
}

const steps = (stride: number): Attributes => ({ strides: ints(1, stride, stride, 1), dilations: ints(1, 1, 1, 1) });
const same = (stride: number): Attributes => ({ ...steps(stride), padding: text('SAME') });
const valid = (stride: number): Attributes => ({ ...steps(stride), padding: text('VALID') });
const window = (size: number, attr: Attributes): Attributes => ({ ksize: ints(1, size, size, 1), ...attr });

/** A stem with padding of its own, an inverted residual, squeeze and excitation, and a head on means. */
export function mobileGraph(): GraphFile {
  const g = new GraphFile();
  const x = g.placeholder('images', [-1, 9, 8, 3]);
  g.node('padded', 'Pad', [x, g.constant('lengths', [4, 2], Int32Array.of(0, 0, 0, 1, 2, 1, 0, 0))]);
  g.node('stem', '_FusedConv2D', ['padded', g.weights('stem_w', [3, 3, 3, 8]), g.weights('stem_b', [8])], {
    ...valid(2),
    num_args: int(1),
    fused_ops: texts('BiasAdd', 'Relu6'),
  });
  g.node('wide', 'Conv2D', ['stem', g.weights('wide_w', [1, 1, 8, 12])], same(1));
  const moments = ['scale', 'offset', 'moving_mean'].map((name) => g.weights(name, [12]));
  g.node('normed', 'FusedBatchNormV3', ['wide', ...moments, g.weights('variance', [12], [0.5, 1.5])], {
    epsilon: float(0.001),
    is_training: flag(false),
    data_format: text('NHWC'),
  });
  g.node('gate_of_itself', 'Sigmoid', ['normed']);
  g.node('swish', 'Mul', ['normed', 'gate_of_itself']);
  const deep = [g.weights('deep_w', [3, 3, 12, 1]), g.weights('deep_b', [12])];
  g.node('deep', 'FusedDepthwiseConv2dNative', ['swish', ...deep], {
    ...same(1),
    num_args: int(1),
    fused_ops: texts('BiasAdd', 'Relu'),
  });
  g.node('apart', 'DepthwiseConv2dNative', ['deep', g.weights('apart_w', [3, 3, 12, 2])], {
    ...same(1),
    dilations: ints(1, 2, 2, 1),
  });
  g.node('squeezed', 'Mean', ['apart', g.ints('places', 1, 2)], { keep_dims: flag(true) });
  g.node('excited', '_FusedConv2D', ['squeezed', g.weights('ex_w', [1, 1, 24, 24]), g.weights('ex_b', [24])], {
    ...same(1),
    num_args: int(1),
    fused_ops: texts('BiasAdd', 'Sigmoid'),
  });
  g.node('gated', 'Mul', ['apart', 'excited']);
  g.node('back', 'Conv2D', ['gated', g.weights('back_w', [1, 1, 24, 8])], {
    ...same(1),
    padding: text('EXPLICIT'),
    explicit_paddings: ints(0, 0, 0, 0, 0, 0, 0, 0),
  });
  g.node('block', 'AddV2', ['back', 'stem']);
  g.node('most', 'MaxPool', ['block'], window(3, same(2)));
  g.node('mean', 'AvgPool', ['block'], window(2, same(2)));
  g.node('joined', 'ConcatV2', ['most', 'mean', g.int('last', 3)], { N: int(2) });
  g.node('pooled', 'Mean', ['joined', g.ints('both', 1, 2)], { keep_dims: flag(false) });
  g.node('product', 'MatMul', ['pooled', g.weights('head_w', [5, 16])], {
    transpose_a: flag(false),
    transpose_b: flag(true),
  });
  g.node('logits', 'BiasAdd', ['product', g.weights('head_b', [5])]);
  g.node('Identity', 'Softmax', ['logits']);
  return g.sign('classes', 'Identity');
}

/** Maps made smaller, larger and flat, with shapes that are computed from the samples' own. */
export function shapedGraph(): GraphFile {
  const g = new GraphFile();
  const x = g.placeholder('maps', [-1, 6, 4, 4]);
  g.node('mirror', 'MirrorPad', [x, g.constant('m', [4, 2], Int32Array.of(0, 0, 1, 1, 1, 0, 0, 0))], {
    mode: text('REFLECT'),
  });
  g.node('larger', 'ResizeBilinear', ['mirror', g.ints('size', 10, 12)], { half_pixel_centers: flag(true) });
  g.node('aligned', 'ResizeBilinear', ['larger', g.ints('size2', 7, 5)], { align_corners: flag(true) });
  g.node('nearest_half', 'ResizeNearestNeighbor', ['aligned', g.ints('size3', 10, 7)], {
    half_pixel_centers: flag(true),
  });
  g.node('nearest_aligned', 'ResizeNearestNeighbor', ['nearest_half', g.ints('size4', 5, 9)], {
    align_corners: flag(true),
  });
  g.node('near', 'ResizeNearestNeighbor', ['nearest_aligned', g.ints('size5', 8, 6)]);
  g.node('blocks', 'DepthToSpace', ['near'], { block_size: int(2), data_format: text('NHWC') });
  g.node('framed', 'PadV2', [
    'blocks',
    g.constant('f', [4, 2], Int32Array.of(0, 0, 1, 0, 0, 1, 0, 0)),
    g.constant('one', [], Float32Array.of(1)),
  ]);
  g.node('cut', 'StridedSlice', ['framed', g.ints('b', 0, 1, 12), g.ints('e', 0, 15, 2), g.ints('s', 1, 2, -3)], {
    begin_mask: int(1),
    end_mask: int(1),
  });
  g.node('shape', 'Shape', ['cut']);
  g.node('rows', 'StridedSlice', ['shape', g.ints('b0', 0), g.ints('e0', 1), g.ints('s0', 1)], {
    shrink_axis_mask: int(1),
  });
  g.node('wanted', 'Pack', ['rows', g.int('flat_size', 28)], { axis: int(0), N: int(2) });
  g.node('flat', 'Reshape', ['cut', 'wanted']);
  g.node('middle', 'Slice', ['flat', g.ints('from', 0, 2), g.ints('many', -1, 24)]);
  g.node('halves', 'Split', [g.int('axis1', 1), 'middle'], { num_split: int(2) });
  g.node('swapped', 'ConcatV2', ['halves:1', 'halves', g.int('axis2', -1)], { N: int(2) });
  g.node('output', 'MatMul', ['swapped', g.weights('out_w', [24, 3])], {});
  return g;
}

const numbers: readonly (readonly [string, Attributes?])[] = [
  ['Relu'],
  ['Relu6'],
  ['Elu'],
  ['Selu'],
  ['Sigmoid'],
  ['Tanh'],
  ['Softplus'],
  ['LeakyRelu', { alpha: float(0.3) }],
  ['Exp'],
  ['Abs'],
  ['Neg'],
  ['Square'],
  ['Floor'],
  ['Ceil'],
  ['Sin'],
  ['Tan'],
  ['Asin'],
  ['Acos'],
  ['Atan'],
  ['Sinh'],
  ['Cosh'],
  ['Asinh'],
  ['Sign'],
  ['Round'],
  ['Erf'],
  ['ZerosLike'],
  ['OnesLike'],
  ['LogSoftmax'],
];
const pairs = ['AddV2', 'Sub', 'Mul', 'Maximum', 'Minimum', 'SquaredDifference', 'RealDiv', 'Pow'];

/** Functions of numbers, one after the other, summed with weights of their own. */
export function numberGraph(): GraphFile {
  const g = new GraphFile();
  const x = g.placeholder('x', [-1, 6]);
  const positive = g.node('positive', 'AddV2', [
    g.node('length', 'Abs', [x]),
    g.constant('half', [], Float32Array.of(0.5)),
  ]);
  const found = [
    ...numbers.map(([op, attr]) => g.node(`by_${op}`, op, [x], attr)),
    ...['Sqrt', 'Rsqrt', 'Log', 'Reciprocal'].map((op) => g.node(`by_${op}`, op, [positive])),
    ...pairs.map((op) => g.node(`with_${op}`, op, [positive, g.weights(`w_${op}`, [6], [0.4, 1.6])])),
  ];
  const isMore = g.node('is_more', 'Greater', [x, g.constant('nought', [], Float32Array.of(0))]);
  found.push(g.node('chosen', 'SelectV2', [isMore, x, positive]));
  found.push(g.node('slopes', 'Prelu', [x, g.weights('alpha', [6])]));
  found.push(g.node('same', 'Identity', [x]));
  const bounds = [-0.3, 0.4].map((bound, i) => g.constant(`bound${i}`, [], Float32Array.of(bound)));
  found.push(g.node('clipped', 'ClipByValue', [x, ...bounds]));
  g.node('uneven', 'SplitV', [x, g.ints('sizes', 4, 2), g.int('split_axis', 1)], { num_split: int(2) });
  found.push(g.node('changed_over', 'ConcatV2', ['uneven:1', 'uneven', g.int('join_axis', 1)], { N: int(2) }));
  const places = ['ArgMax', 'ArgMin'].map((op) => g.node(`at_${op}`, op, [x, g.int(`axis_${op}`, 1)], {}));
  const off = g.node('off', 'Sub', places, { T: type('INT32') });
  const distance = g.node('distance', 'Cast', [off], { SrcT: type('INT32'), DstT: type('FLOAT') });
  found.push(
    g.node('tiled', 'Tile', [
      g.node('column', 'Reshape', [distance, g.ints('column_shape', -1, 1)]),
      g.ints('times', 1, 6),
    ]),
  );
  const isBoth = g.node('is_both', 'LogicalAnd', [
    isMore,
    g.node('is_not', 'LogicalNot', [g.node('is_least', 'LessEqual', [x, bounds[0] ?? ''])]),
  ]);
  found.push(g.node('truth', 'Cast', [isBoth], { SrcT: type('BOOL'), DstT: type('FLOAT') }));
  const sides = g.node('sides', 'Pack', found, { axis: int(1), N: int(found.length) });
  const parts = g.node('parts', 'Unpack', [sides], { axis: int(1), num: int(found.length) });
  const sums = found.map((_, i) =>
    g.node(`sum${i}`, 'MatMul', [i === 0 ? parts : `${parts}:${i}`, g.weights(`sum_w${i}`, [6, 4])], {}),
  );
  g.node('total', 'AddN', sums, { N: int(sums.length) });
  return g;
}

/** Tokens, a mask of those that count, one attention, a layer norm, and the first token's answer. */
export function textGraph(): GraphFile {
  const g = new GraphFile();
  const x = g.placeholder('tokens', [-1, 7], 'INT32');
  const counts = g.node('counts', 'Cast', [g.node('is_token', 'NotEqual', [x, g.int('none', 0)])], {
    SrcT: type('BOOL'),
    DstT: type('FLOAT'),
  });
  const embedded = g.node('embedded', 'GatherV2', [g.weights('table', [11, 6]), x, g.int('axis', 0)], {});
  const masked = g.node('masked', 'Mul', [embedded, g.node('wide_mask', 'ExpandDims', [counts, g.int('end', -1)])]);
  const query = g.node('query', 'Reshape', [
    g.node(
      'query_rows',
      'MatMul',
      [g.node('rows', 'Reshape', [masked, g.ints('rows_shape', -1, 6)]), g.weights('q', [6, 6])],
      {},
    ),
    g.ints('query_shape', -1, 7, 6),
  ]);
  const scores = g.node('scores', 'BatchMatMulV2', [query, masked], { adj_x: flag(false), adj_y: flag(true) });
  const attention = g.node('attention', 'Softmax', [scores]);
  const attended = g.node('attended', 'BatchMatMulV2', [attention, masked], { adj_x: flag(false), adj_y: flag(false) });
  const sum = g.node('residual', 'AddV2', [attended, masked]);
  const mean = g.node('mean', 'Mean', [sum, g.ints('last', -1)], { keep_dims: flag(true) });
  const off = g.node('off', 'SquaredDifference', [sum, mean]);
  const variance = g.node('variance', 'Mean', [off, g.ints('last2', -1)], { keep_dims: flag(true) });
  const spread = g.node('spread', 'Rsqrt', [
    g.node('kept', 'AddV2', [variance, g.constant('epsilon', [], Float32Array.of(1e-3))]),
  ]);
  const normed = g.node('normed', 'Mul', [g.node('centred', 'Sub', [sum, mean]), spread]);
  const turned = g.node('turned', 'Transpose', [normed, g.ints('perm', 0, 2, 1)]);
  const most = g.node('most', 'Max', [turned, g.ints('time', 2)], { keep_dims: flag(false) });
  const first = g.node('first', 'StridedSlice', [normed, g.ints('b', 0, 0), g.ints('e', 0, 1), g.ints('s', 1, 1)], {
    begin_mask: int(1),
    end_mask: int(1),
    shrink_axis_mask: int(2),
  });
  const both = g.node('both', 'ConcatV2', [first, most, g.int('axis1', 1)], { N: int(2) });
  g.node('hidden', '_FusedMatMul', [both, g.weights('hidden_w', [12, 8]), g.weights('hidden_b', [8])], {
    num_args: int(1),
    fused_ops: texts('BiasAdd', 'Relu'),
  });
  g.node('answer', 'MatMul', ['hidden', g.weights('answer_w', [8, 3])], {});
  return g;
}

/** A graph that insists on three rows, and gives probabilities beside its logits. */
export function fixedGraph(): GraphFile {
  const g = new GraphFile();
  const x = g.placeholder('x', [3, 4]);
  g.node('logits', 'MatMul', [x, g.weights('w', [4, 3])], {});
  g.node('probabilities', 'Softmax', ['logits']);
  return g;
}

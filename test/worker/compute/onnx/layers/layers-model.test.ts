import type { layers } from '@tensorflow/tfjs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { jsonSchema } from '../../../../../shared/models/topology.js';
import type { TensorFlow } from '../../../../../worker/compute/backends/backend.js';
import { openWasm } from '../../../../../worker/compute/backends/wasm/wasm.js';
import { studentOnnx } from '../../../../../worker/compute/onnx/layers/layers-model.js';

const { tf } = await openWasm();
type Layer = layers.Layer;
type Body = (tf: TensorFlow) => Layer[];

/** The largest difference between tfjs and onnxruntime on 3 rows; weights are drawn, variances positive. */
async function difference(inputShape: number[], body: Body): Promise<number> {
  const input = tf.input({ shape: inputShape });
  let x = body(tf).reduce((at, layer) => layer.apply(at) as typeof input, input);
  const flat = x.shape.length > 2 ? (tf.layers.flatten().apply(x) as typeof input) : x;
  x = tf.layers.dense({ units: 3 }).apply(flat) as typeof input;
  const model = tf.model({ inputs: input, outputs: x });
  model.setWeights(
    model.weights.map(({ shape, name }, i) =>
      tf.randomUniform(shape.map(Number), name.includes('variance') ? 0.5 : -1, 1.5, 'float32', i),
    ),
  );
  const weights = new Map(
    model.weights.map((w) => [
      w.originalName,
      { shape: w.shape.map(Number), values: Float32Array.from(w.read().dataSync()) },
    ]),
  );
  const file = studentOnnx({ topology: jsonSchema.parse(model.toJSON(undefined, false)), inputShape }, weights);
  const rows = tf.randomUniform([3, ...inputShape], -1, 1, 'float32', 7);
  const wanted = (model.predict(rows) as typeof rows).dataSync();
  const session = await InferenceSession.create(file);
  const { logits } = await session.run({
    input: new Tensor('float32', Float32Array.from(rows.dataSync()), [3, ...inputShape]),
  });
  const scale = Math.max(1, ...wanted.map(Math.abs));
  expect(logits?.dims).toEqual([3, 3]);
  return Math.max(...Array.from(wanted, (value, i) => Math.abs(value - Number(logits?.data[i])) / scale));
}

const activations = [
  'hardSigmoid',
  'swish',
  'mish',
  'relu',
  'relu6',
  'sigmoid',
  'tanh',
  'elu',
  'selu',
  'softplus',
  'softsign',
  'softmax',
  'linear',
  'gelu',
  'gelu_new',
] as const;
const image: Record<string, Body> = {
  'Conv2D, same, stride 2': ({ layers: l }) => [
    l.conv2d({ filters: 4, kernelSize: [3, 2], strides: 2, padding: 'same', activation: 'relu' }),
  ],
  'Conv2D, valid, no bias': ({ layers: l }) => [l.conv2d({ filters: 4, kernelSize: 3, useBias: false })],
  DepthwiseConv2D: ({ layers: l }) => [l.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, padding: 'same' })],
  'MaxPooling2D, same': ({ layers: l }) => [l.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' })],
  'AveragePooling2D, same': ({ layers: l }) => [l.averagePooling2d({ poolSize: 3, strides: 2, padding: 'same' })],
  BatchNormalization: ({ layers: l }) => [l.batchNormalization()],
  'BatchNormalization without scale or center': ({ layers: l }) => [
    l.batchNormalization({ scale: false, center: false }),
  ],
  GlobalAveragePooling2D: ({ layers: l }) => [l.globalAveragePooling2d({})],
  GlobalMaxPooling2D: ({ layers: l }) => [l.globalMaxPooling2d({})],
  ReLU: ({ layers: l }) => [l.reLU({ maxValue: 0.5 }), l.reLU()],
  LeakyReLU: ({ layers: l }) => [l.leakyReLU({ alpha: 0.2 })],
  ELU: ({ layers: l }) => [l.elu()],
  PReLU: ({ layers: l }) => [l.prelu({})],
  'PReLU, shared over places': ({ layers: l }) => [l.prelu({ sharedAxes: [1, 2] })],
  Softmax: ({ layers: l }) => [l.softmax({ axis: -1 })],
  Rescaling: ({ layers: l }) => [l.rescaling({ scale: 0.3, offset: 2 })],
  LayerNormalization: ({ layers: l }) => [l.layerNormalization({})],
  'LayerNormalization of steps': ({ layers: l }) => [
    l.reshape({ targetShape: [21, 4] }),
    l.lstm({ units: 3, returnSequences: true }),
    l.layerNormalization({}),
  ],
  'LayerNormalization without scale or center': ({ layers: l }) => [
    l.layerNormalization({ scale: false, center: false }),
  ],
  SeparableConv2D: ({ layers: l }) => [
    l.separableConv2d({
      filters: 3,
      kernelSize: 3,
      depthMultiplier: 2,
      strides: 2,
      padding: 'same',
      activation: 'relu',
    }),
  ],
  'Conv2DTranspose, same': ({ layers: l }) => [
    l.conv2dTranspose({ filters: 3, kernelSize: [3, 4], strides: 2, padding: 'same' }),
  ],
  'Conv2DTranspose, valid': ({ layers: l }) => [
    l.conv2dTranspose({ filters: 3, kernelSize: [3, 2], strides: 2, activation: 'relu' }),
  ],
  'Conv2DTranspose, strides beyond the kernel': ({ layers: l }) => [
    l.conv2dTranspose({ filters: 2, kernelSize: 2, strides: 3 }),
    l.conv2dTranspose({ filters: 2, kernelSize: 1, strides: 2, padding: 'same' }),
  ],
  'UpSampling2D, nearest': ({ layers: l }) => [l.upSampling2d({ size: [2, 3] })],
  'UpSampling2D, bilinear': ({ layers: l }) => [l.upSampling2d({ size: [2, 2], interpolation: 'bilinear' })],
  Cropping2D: ({ layers: l }) => [
    l.cropping2D({
      cropping: [
        [1, 2],
        [0, 3],
      ],
    }),
  ],
  Permute: ({ layers: l }) => [l.permute({ dims: [3, 1, 2] })],
  RepeatVector: ({ layers: l }) => [l.flatten(), l.repeatVector({ n: 3 })],
  'Conv1D, same, stride 2': ({ layers: l }) => [
    l.reshape({ targetShape: [21, 4] }),
    l.conv1d({ filters: 3, kernelSize: 4, strides: 2, padding: 'same', activation: 'tanh' }),
  ],
  'Conv1D, valid': ({ layers: l }) => [
    l.reshape({ targetShape: [21, 4] }),
    l.conv1d({ filters: 3, kernelSize: 2, useBias: false }),
  ],
  'MaxPooling1D, same': ({ layers: l }) => [
    l.reshape({ targetShape: [21, 4] }),
    l.maxPooling1d({ poolSize: 3, strides: 2, padding: 'same' }),
  ],
  AveragePooling1D: ({ layers: l }) => [l.reshape({ targetShape: [21, 4] }), l.averagePooling1d({ poolSize: 2 })],
  'TimeDistributed Dense': ({ layers: l }) => [
    l.reshape({ targetShape: [21, 4] }),
    l.timeDistributed({ layer: l.dense({ units: 3, activation: 'relu' }) }),
  ],
  ZeroPadding2D: ({ layers: l }) => [
    l.zeroPadding2d({
      padding: [
        [1, 2],
        [0, 3],
      ],
    }),
  ],
  'Reshape, then global pooling in 1D': ({ layers: l }) => [
    l.reshape({ targetShape: [21, 4] }),
    l.globalAveragePooling1d({}),
  ],
  GlobalMaxPooling1D: ({ layers: l }) => [l.reshape({ targetShape: [21, 4] }), l.globalMaxPooling1d({})],
  'Dropout, Dense on the last axis': ({ layers: l }) => [l.dropout({ rate: 0.5 }), l.dense({ units: 3 })],
  'a nested model': ({ sequential, layers: l }) => [
    sequential({ layers: [l.conv2d({ filters: 2, kernelSize: 2, inputShape: [7, 6, 2] }), l.reLU()] }),
  ],
  ...Object.fromEntries(
    activations.map((activation): [string, Body] => [
      `activation ${activation}`,
      ({ layers: l }) => [l.activation({ activation })],
    ]),
  ),
};

const kinds = ['simpleRNN', 'gru', 'lstm'] as const;
const recurrent: Record<string, Body> = Object.fromEntries(
  kinds.flatMap((kind): [string, Body][] => [
    [`${kind}, last step`, ({ layers: l }) => [l[kind]({ units: 3 })]],
    [`${kind}, every step`, ({ layers: l }) => [l[kind]({ units: 3, returnSequences: true })]],
    [
      `${kind}, backwards, every step`,
      ({ layers: l }) => [l[kind]({ units: 3, returnSequences: true, goBackwards: true })],
    ],
    [`${kind}, backwards`, ({ layers: l }) => [l[kind]({ units: 3, goBackwards: true })]],
    [
      `${kind}, no bias, other activations`,
      ({ layers: l }) => [
        l[kind]({
          units: 3,
          useBias: false,
          activation: 'softsign',
          ...(kind === 'simpleRNN' ? {} : { recurrentActivation: 'sigmoid' }),
        }),
      ],
    ],
    [`${kind}, linear`, ({ layers: l }) => [l[kind]({ units: 3, activation: 'linear', kernelInitializer: 'zeros' })]],
    ...(['concat', 'sum', 'mul', 'ave'] as const).map((mergeMode): [string, Body] => [
      `${kind}, both directions, ${mergeMode}`,
      ({ layers: l }) => [
        l.bidirectional({
          layer: l[kind]({ units: 3, returnSequences: mergeMode === 'concat' }),
          mergeMode,
        }),
      ],
    ]),
  ]),
);

describe('studentOnnx', () => {
  it.each(Object.entries(recurrent))('gives what tfjs gives: %s', async (_, body) => {
    expect(await difference([6, 4], body)).toBeLessThan(1e-5);
  });

  it('gives what tfjs gives: Embedding', async () => {
    // Inputs from -1 to 1, brought to whole numbers from 0 to 6.
    expect(
      await difference([5], ({ layers: l }) => [
        l.rescaling({ scale: 3, offset: 3.5 }),
        l.embedding({ inputDim: 8, outputDim: 3 }),
        l.lstm({ units: 2 }) as Layer,
      ]),
    ).toBeLessThan(1e-5);
  });

  it.each(Object.entries(image))('gives what tfjs gives: %s', async (_, body) => {
    expect(await difference([7, 6, 2], body)).toBeLessThan(1e-5);
  });

  it.each(['add', 'multiply', 'maximum', 'minimum', 'average', 'concatenate'] as const)(
    'merges two branches: %s',
    async (name) => {
      const branches: Body = ({ input, model, layers: l }) => {
        const x = input({ shape: [7, 6, 2] });
        const [a, b] = [l.reLU().apply(x) as typeof x, l.conv2d({ filters: 2, kernelSize: 1 }).apply(x) as typeof x];
        return [model({ inputs: x, outputs: l[name]({}).apply([a, b]) as typeof x })];
      };
      expect(await difference([7, 6, 2], branches)).toBeLessThan(1e-5);
    },
  );

  // Numbers from -1 to 1, of which the negative ones, half of them, become 0 and the others more.
  const masked: Body = ({ layers: l }) => [
    l.reLU(),
    l.rescaling({ scale: 3.9 }),
    l.embedding({ inputDim: 4, outputDim: 3, maskZero: true }),
  ];
  it.each(
    kinds.flatMap((kind) =>
      (['last', 'every', 'backwards', 'every backwards', 'both', 'two'] as const).map((form) => ({ kind, form })),
    ),
  )('passes over masked steps as tfjs does: $kind, $form', async ({ kind, form }) => {
    const cell =
      (options: object): Body =>
      ({ layers: l }) => [l[kind]({ units: 3, ...options })];
    const bodies: Record<typeof form, Body> = {
      last: cell({}),
      every: cell({ returnSequences: true }),
      backwards: cell({ goBackwards: true }),
      'every backwards': cell({ goBackwards: true, returnSequences: true }),
      both: (t) => [
        t.layers.bidirectional({
          layer: t.layers[kind]({ units: 3, returnSequences: true }),
          mergeMode: 'concat',
        }),
        t.layers.lstm({ units: 2 }),
      ],
      two: (t) => [
        ...cell({ returnSequences: true })(t),
        t.layers.dropout({ rate: 0.1 }),
        t.layers.dense({ units: 2 }),
        ...cell({})(t),
      ],
    };
    expect(await difference([6], (t) => [...masked(t), ...bodies[form](t)])).toBeLessThan(1e-5);
  });

  const cells: Record<string, (t: TensorFlow) => layers.RNNCell | layers.RNNCell[]> = {
    'one cell': ({ layers: l }) => l.gruCell({ units: 3 }),
    'one plain cell': ({ layers: l }) => l.simpleRNNCell({ units: 3, activation: 'relu' }),
    'three cells': ({ layers: l }) => [
      l.lstmCell({ units: 2 }),
      l.gruCell({ units: 3 }),
      l.simpleRNNCell({ units: 2 }),
    ],
    'cells that are stacked': ({ layers: l }) =>
      l.stackedRNNCells({ cells: [l.simpleRNNCell({ units: 2 }), l.lstmCell({ units: 3 })] }),
  };
  it.each(
    Object.entries(cells).flatMap(([what, cell]) =>
      [{}, { returnSequences: true }, { returnSequences: true, goBackwards: true }, { goBackwards: true }].map(
        (options) => ({ what, cell, options }),
      ),
    ),
  )('gives what tfjs gives: an RNN of $what, $options', async ({ cell, options }) => {
    expect(await difference([6, 4], (t) => [t.layers.rnn({ cell: cell(t), ...options }) as Layer])).toBeLessThan(1e-5);
  });

  it('passes over masked steps as tfjs does: an RNN of one cell', async () => {
    expect(
      await difference([6], (t) => [
        ...masked(t),
        t.layers.rnn({ cell: t.layers.lstmCell({ units: 3 }), returnSequences: true }) as Layer,
      ]),
    ).toBeLessThan(1e-5);
  });

  it('leaves steps of the mask value alone out, whatever stands before and behind them', async () => {
    const none: Body = ({ layers: l }) => [
      l.reLU({ maxValue: 0 }),
      l.masking({ maskValue: 0 }),
      l.lstm({ units: 2, returnSequences: true }),
    ];
    expect(await difference([5, 2], none)).toBeLessThan(1e-5);
    const some: Body = ({ layers: l }) => [
      l.reLU(),
      l.masking({ maskValue: 0 }),
      l.gru({ units: 2, returnSequences: true }),
    ];
    expect(await difference([6, 1], some)).toBeLessThan(1e-5);
    const of =
      (rescaled: Body): Body =>
      (t) => [...rescaled(t), t.layers.masking({ maskValue: 1 }), t.layers.lstm({ units: 2 })];
    expect(
      await difference(
        [6, 1],
        of(({ layers: l }) => [l.reLU(), l.rescaling({ scale: 1, offset: 1 })]),
      ),
    ).toBeLessThan(1e-5);
  });

  const sequences: readonly (readonly [string, number, number, number | readonly [number, number]])[] = [
    ['vectors', 2, 2, 1],
    ['vectors, counted from the last axis', 2, 2, -1],
    ['matrices along the last axis', 3, 3, 2],
    ['matrices along the first', 3, 3, 1],
    ['matrices along an axis each', 3, 3, [1, 1]],
    ['a matrix and a vector', 3, 2, [2, 1]],
    ['a vector and a matrix', 2, 3, [1, 2]],
  ];
  it.each(
    sequences.flatMap(([what, first, second, axes]) =>
      [true, false].map((normalize) => ({ what, first, second, axes, normalize })),
    ),
  )('multiplies $what (normalised: $normalize)', async ({ first, second, axes, normalize }) => {
    const branches: Body = ({ input, model, layers: l }) => {
      const x = input({ shape: [5, 4] });
      // A vector of 4 from the last step of a layer over them all.
      const branch = (rank: number): typeof x =>
        (rank === 3 ? l.dense({ units: 4 }).apply(x) : l.lstm({ units: 4 }).apply(x)) as typeof x;
      return [
        model({
          inputs: x,
          outputs: l.dot({ axes: axes as number, normalize }).apply([branch(first), branch(second)]) as typeof x,
        }),
      ];
    };
    expect(await difference([5, 4], branches)).toBeLessThan(1e-5);
  });

  it('names the layer and the type that it cannot write', async () => {
    await expect(
      difference([4, 2], ({ layers: l }) => [
        l.masking(),
        l.rnn({ name: 'cells', cell: [l.lstmCell({ units: 2 }), l.gruCell({ units: 3 })] }) as Layer,
      ]),
    ).rejects.toThrow('student layer cells (RNN): masks over stacked cells cannot be written as ONNX');
    await expect(difference([4, 2], ({ layers: l }) => [l.masking(), l.softmax({ name: 'soft' })])).rejects.toThrow(
      'student layer soft (Softmax): a softmax that leaves masked steps out cannot be written as ONNX',
    );
  });
});

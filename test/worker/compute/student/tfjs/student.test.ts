import { beforeAll, describe, expect, it } from 'vitest';
import type { layers } from '@tensorflow/tfjs';
import type { TensorFlow } from '../../../../../worker/compute/backends/backend.js';
import { openWasm } from '../../../../../worker/compute/backends/wasm/wasm.js';
import { buildStudentModel } from '../../../../../worker/compute/student/tfjs/model.js';
import { checkSlopes, classes, gradientOf, make, makeModel, noise } from '../students.js';

let tf: TensorFlow;
beforeAll(async () => {
  ({ tf } = await openWasm());
});

describe('a student of nested models', () => {
  it('freezes what a frozen model holds', async () => {
    const topology = {
      class_name: 'Sequential',
      config: {
        name: 'outer',
        layers: [
          {
            class_name: 'Sequential',
            config: {
              name: 'inner',
              trainable: false,
              layers: [{ class_name: 'Dense', config: { name: 'a', units: 2, batch_input_shape: [null, 3] } }],
            },
          },
          { class_name: 'Dense', config: { name: 'b', units: 2 } },
        ],
      },
    };
    const { model, weights } = await buildStudentModel(tf, topology);
    expect(weights.map(({ spec }) => `${spec.name} ${spec.kind}`)).toEqual([
      'a/kernel frozen',
      'a/bias frozen',
      'b/kernel trained',
      'b/bias trained',
    ]);
    model.dispose();
  });
});

describe('a student with more weights than a replica holds', () => {
  const layer = (units: number) => ({
    class_name: 'Sequential',
    config: {
      name: 's',
      layers: [
        { class_name: 'Dense', config: { name: 'a', units: 2, batch_input_shape: [null, 3] } },
        { class_name: 'Dense', config: { name: 'b', units } },
      ],
    },
  });

  it('is refused by the layer that makes it so, before memory is taken for it', async () => {
    await expect(buildStudentModel(tf, layer(1e9))).rejects.toThrow(
      'student: with b/kernel of [2, 1000000000] it has 2000000008 weights; a replica holds at most 357908480',
    );
  });

  it('does not count against the next one', async () => {
    const { model } = await buildStudentModel(tf, layer(5));
    expect(model.countParams()).toBe(8 + 15);
    model.dispose();
  });
});

describe('students on wasm train with', () => {
  const image = [6, 6, 2];
  const sequence = [5, 4];
  const tokens = [5];
  const end = (): layers.Layer[] => [tf.layers.dense({ units: classes, name: 'logits' })];
  const flat = (): layers.Layer[] => [tf.layers.flatten(), ...end()];
  const cases: [string, number[], () => layers.Layer[]][] = [
    [
      'a convolution with stride 2',
      image,
      () => [
        tf.layers.conv2d({ filters: 3, kernelSize: 3, strides: 2, padding: 'same', activation: 'relu' }),
        ...flat(),
      ],
    ],
    [
      'a convolution over time',
      sequence,
      () => [tf.layers.conv1d({ filters: 3, kernelSize: 2, padding: 'same', activation: 'tanh' }), ...flat()],
    ],
    [
      'a transposed convolution',
      image,
      () => [tf.layers.conv2dTranspose({ filters: 2, kernelSize: 3, strides: 2, padding: 'same' }), ...flat()],
    ],
    [
      'a depthwise convolution',
      image,
      () => [tf.layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, strides: 2, padding: 'same' }), ...flat()],
    ],
    [
      'a separable convolution',
      image,
      () => [tf.layers.separableConv2d({ filters: 4, kernelSize: 3, depthMultiplier: 2, padding: 'same' }), ...flat()],
    ],
    [
      'average pooling',
      image,
      () => [
        tf.layers.conv2d({ filters: 2, kernelSize: 1 }),
        tf.layers.averagePooling2d({ poolSize: 3, strides: 2, padding: 'same' }),
        ...flat(),
      ],
    ],
    [
      'max pooling that overlaps',
      image,
      () => [
        tf.layers.conv2d({ filters: 2, kernelSize: 1 }),
        tf.layers.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' }),
        ...flat(),
      ],
    ],
    [
      'pooling over time',
      sequence,
      () => [
        tf.layers.conv1d({ filters: 3, kernelSize: 1 }),
        tf.layers.maxPooling1d({ poolSize: 2 }),
        tf.layers.averagePooling1d({ poolSize: 2 }),
        ...flat(),
      ],
    ],
    [
      'global max pooling',
      image,
      () => [tf.layers.conv2d({ filters: 4, kernelSize: 1 }), tf.layers.globalMaxPooling2d({}), ...end()],
    ],
    [
      'global pooling over time',
      sequence,
      () => [tf.layers.dense({ units: 4 }), tf.layers.globalAveragePooling1d(), ...end()],
    ],
    [
      'global max pooling over time',
      sequence,
      () => [tf.layers.dense({ units: 4 }), tf.layers.globalMaxPooling1d({}), ...end()],
    ],
    [
      'padding and cropping',
      image,
      () => [
        tf.layers.conv2d({ filters: 2, kernelSize: 1 }),
        tf.layers.zeroPadding2d({ padding: 1 }),
        tf.layers.cropping2D({
          cropping: [
            [1, 2],
            [0, 1],
          ],
        }),
        ...flat(),
      ],
    ],
    [
      'layer normalisation',
      sequence,
      () => [tf.layers.dense({ units: 4 }), tf.layers.layerNormalization({ axis: -1 }), ...flat()],
    ],
    [
      'batch norm without scale or centre',
      image,
      () => [
        tf.layers.conv2d({ filters: 3, kernelSize: 3, useBias: false }),
        tf.layers.batchNormalization({ scale: false, center: false }),
        tf.layers.reLU(),
        ...flat(),
      ],
    ],
    [
      'leaky, exponential and parametric units',
      [6],
      () => [
        tf.layers.dense({ units: 5 }),
        tf.layers.leakyReLU({ alpha: 0.1 }),
        tf.layers.dense({ units: 5 }),
        tf.layers.elu(),
        tf.layers.dense({ units: 5 }),
        tf.layers.prelu(),
        ...end(),
      ],
    ],
    [
      'saturating units',
      [6],
      () =>
        (
          [
            'sigmoid',
            'tanh',
            'softplus',
            'softsign',
            'hardSigmoid',
            'selu',
            'relu6',
            'swish',
            'elu',
            'softmax',
            'gelu',
          ] as const
        )
          .flatMap((activation): layers.Layer[] => [tf.layers.dense({ units: 5, activation })])
          .concat(end()),
    ],
    [
      'reshape, permute and repeat',
      [6],
      () => [
        tf.layers.dense({ units: 6 }),
        tf.layers.reshape({ targetShape: [2, 3] }),
        tf.layers.permute({ dims: [2, 1] }),
        tf.layers.flatten(),
        tf.layers.repeatVector({ n: 2 }),
        ...flat(),
      ],
    ],
    [
      'an LSTM on an embedding',
      tokens,
      () => [tf.layers.embedding({ inputDim: 7, outputDim: 3 }), tf.layers.lstm({ units: 4 }), ...end()],
    ],
    [
      'an LSTM on a masked embedding',
      tokens,
      () => [
        tf.layers.embedding({ inputDim: 7, outputDim: 3, maskZero: true }),
        tf.layers.lstm({ units: 4 }),
        ...end(),
      ],
    ],
    [
      'two GRUs',
      sequence,
      () => [tf.layers.gru({ units: 3, returnSequences: true }), tf.layers.gru({ units: 4 }), ...end()],
    ],
    [
      'a simple recurrent layer over masked steps',
      sequence,
      () => [tf.layers.masking({ maskValue: 0 }), tf.layers.simpleRNN({ units: 4 }), ...end()],
    ],
    [
      'a bidirectional LSTM',
      sequence,
      () => [
        tf.layers.bidirectional({ layer: tf.layers.lstm({ units: 2, returnSequences: false }), mergeMode: 'concat' }),
        ...end(),
      ],
    ],
    [
      'a dense layer at every time step',
      sequence,
      () => [tf.layers.timeDistributed({ layer: tf.layers.dense({ units: 2 }) }), ...flat()],
    ],
  ];

  it('upsampling, to the gradient that finite differences find (the cpu backend mixes up its pixels)', async () => {
    const layers = [
      tf.layers.conv2d({ filters: 2, kernelSize: 1, inputShape: [3, 3, 2] }),
      tf.layers.upSampling2d({ size: [2, 2] }),
      ...flat(),
    ];
    await checkSlopes(await makeModel(tf.sequential({ layers }), [3, 3, 2]));
  });

  it.each(cases)('%s, to the gradient of the cpu backend', async (_, inputShape, layers) => {
    const [first, ...rest] = layers();
    if (first === undefined) throw new Error('no layers');
    const sequential = tf.sequential();
    sequential.add(tf.layers.inputLayer({ inputShape }));
    for (const layer of [first, ...rest]) sequential.add(layer);
    const made = await makeModel(sequential, inputShape);
    const inputs = noise([4, ...inputShape], 'inputs').map((value) =>
      inputShape === tokens ? Math.floor((value + 1) * 3.4) : value,
    );
    const { gradient, sums } = await gradientOf(made, { inputs });
    expect((await gradientOf(made, { inputs })).gradient).toEqual(gradient);
    for (const { spec, offset, size } of made.replica.plan.trained) {
      expect(
        gradient.subarray(offset, offset + size).some((value) => value !== 0),
        spec.name,
      ).toBe(true);
    }
    await made.student.dispose();
    await tf.setBackend('cpu');
    try {
      const reference = await make(made.spec, made.replica.readWeights());
      const expected = await gradientOf(reference, { inputs });
      expect(sums.crossEntropy).toBeCloseTo(expected.sums.crossEntropy ?? NaN, 4);
      const largest = Math.max(...expected.gradient.map(Math.abs));
      gradient.forEach((value, i) =>
        expect(Math.abs(value - (expected.gradient[i] ?? NaN)) / largest).toBeLessThan(2e-5),
      );
      await reference.student.dispose();
    } finally {
      await tf.setBackend('wasm');
    }
  });
});

import { beforeAll, describe, expect, it } from 'vitest';
import type { layers, LayersModel } from '@tensorflow/tfjs';
import type { StudentSpec } from '../../../../../shared/models/student-spec.js';
import { planReplica } from '../../../../../shared/replica/plan.js';
import { randomStream } from '../../../../../shared/random.js';
import { recipeSchema } from '../../../../../shared/recipe/schema.js';
import { lossesAtStep } from '../../../../shared/losses/at-step.js';
import { Replica } from '../../../../../shared/replica/replica.js';
import type { TensorFlow } from '../../../../../worker/compute/backends/backend.js';
import { openWasm } from '../../../../../worker/compute/backends/wasm/wasm.js';
import { builtinStudent, type BuiltinStudent } from '../../../../../worker/compute/student/builtin-students.js';
import type { GradientResult, StepContext, Targets } from '../../../../../worker/compute/contract.js';
import { buildStudentModel } from '../../../../../worker/compute/student/tfjs/model.js';
import { Student } from '../../../../../worker/compute/student/tfjs/student.js';

const optimizer = recipeSchema.shape.optimizer.parse({ name: 'sgd', learningRate: 0.1 });
const classes = 3;
let tf: TensorFlow;
beforeAll(async () => {
  ({ tf } = await openWasm());
});

interface Made {
  readonly spec: StudentSpec;
  readonly replica: Replica;
  readonly student: Student;
}

async function make(spec: StudentSpec, weights: Map<string, Float32Array>): Promise<Made> {
  const plan = planReplica(spec, optimizer);
  const replica = new Replica(plan, { slots: 1 });
  replica.loadWeights(weights);
  const student = await Student.build(tf, spec, plan);
  student.load(replica.weights, replica.frozen, replica.moving);
  return { spec, replica, student };
}

function makeBuiltin(options: BuiltinStudent, shape: number[] = [6, 6, 2]): Promise<Made> {
  const { spec, weights } = builtinStudent(options, shape, classes, 3);
  return make(spec, weights);
}

/** A student from layers that tfjs made, all weights drawn. */
async function makeModel(model: LayersModel, inputShape: number[]): Promise<Made> {
  const topology = JSON.parse(JSON.stringify(model.toJSON(undefined, false))) as Record<string, unknown>;
  const built = await buildStudentModel(tf, topology);
  const specs = built.weights.map(({ spec }) => spec);
  const weights = new Map(
    specs.map(({ name, shape }) => [
      name,
      noise(shape, name).map((value) => (name.endsWith('/moving_variance') ? Math.abs(value) + 0.5 : 0.5 * value)),
    ]),
  );
  built.model.dispose();
  model.dispose();
  return make({ topology, weights: specs, inputShape, classes }, weights);
}

function noise(shape: readonly number[], key: string): Float32Array {
  const stream = randomStream([key]);
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 2 * stream.float() - 1);
}

const step: StepContext = {
  losses: lossesAtStep({ crossEntropy: { weight: 1 } }),
  divisors: { crossEntropy: 4 },
  dropoutKey: [7, 'dropout', 0, 0, 0],
};
const labels = Int32Array.of(0, 2, 1, -1);
const targets: Targets = { labels, soft: null };

async function gradientOf(
  { spec, replica, student }: Made,
  options: { step?: StepContext; inputs?: Float32Array; targets?: Targets } = {},
): Promise<GradientResult & { gradient: Float32Array }> {
  const inputs = options.inputs ?? noise([4, ...spec.inputShape], 'inputs');
  const result = await student.gradients(inputs, 4, options.targets ?? targets, options.step ?? step, replica.slot(0));
  return { ...result, gradient: Float32Array.from(replica.slot(0)) };
}

/** Holds first, middle and last value of each weight's gradient against the slope of the loss. */
async function checkSlopes(made: Made): Promise<void> {
  const { gradient } = await gradientOf(made);
  const { replica, student } = made;
  const lossAt = async (i: number, value: number): Promise<number> => {
    const weights = Float32Array.from(replica.weights);
    weights[i] = value;
    student.load(weights, replica.frozen, replica.moving);
    return ((await gradientOf(made)).sums.crossEntropy ?? NaN) / 4;
  };
  for (const { spec, offset, size } of replica.plan.trained) {
    for (const i of new Set([offset, offset + Math.floor(size / 2), offset + size - 1])) {
      const at = replica.weights[i] ?? 0;
      const slope = ((await lossAt(i, at + 0.01)) - (await lossAt(i, at - 0.01))) / 0.02;
      expect(Math.abs((gradient[i] ?? NaN) - slope), spec.name).toBeLessThan(5e-3);
    }
  }
}

describe('a student', () => {
  it('gives the gradient that finite differences find, for every weight of a CNN with batch norm', async () => {
    const made = await makeBuiltin({ builtin: 'cnn-small', filters: 2, batchNorm: true });
    await checkSlopes(made);
  });

  it('gives the same bits whatever ran before', async () => {
    const options: BuiltinStudent = { builtin: 'cnn-small', filters: 4, batchNorm: true, dropout: 0.4 };
    const [first, second] = [await makeBuiltin(options), await makeBuiltin(options)];
    const expected = await gradientOf(first);
    await gradientOf(second, { inputs: noise([4, 6, 6, 2], 'others'), step: { ...step, dropoutKey: [8] } });
    second.student.logits(noise([9, 6, 6, 2], 'more'), 9);
    const actual = await gradientOf(second);
    expect(actual).toEqual(expected);
    first.student.dispose();
    second.student.dispose();
  });

  it('drops units by key and layer, nested models included', async () => {
    const inner = tf.sequential({
      name: 'inner',
      layers: [tf.layers.dropout({ rate: 0.5, inputShape: [40], name: 'drop' })],
    });
    const input = tf.input({ shape: [40] });
    const twice = tf.layers.dropout({ rate: 0.5, name: 'drop' }).apply(input);
    if (Array.isArray(twice) || !('sourceLayer' in twice)) throw new Error('not symbolic');
    const nested = inner.apply(twice);
    const logits = tf.layers.dense({ units: classes, name: 'logits' }).apply(nested);
    if (Array.isArray(logits) || !('sourceLayer' in logits)) throw new Error('not symbolic');
    const made = await makeModel(tf.model({ inputs: input, outputs: logits }), [40]);
    const inputs = new Float32Array(4 * 40).fill(1);
    const kept = async (key: number): Promise<boolean[]> => {
      const { gradient } = await gradientOf(made, {
        inputs,
        targets: { labels: Int32Array.of(0, -1, -1, -1), soft: null },
        step: { ...step, dropoutKey: [key] },
      });
      return Array.from({ length: 40 }, (_, i) => gradient[i * classes] !== 0);
    };
    const masks = [await kept(1), await kept(1), await kept(2)];
    expect(masks[0]).toEqual(masks[1]);
    expect(masks[0]).not.toEqual(masks[2]);
    const share = (masks[0]?.filter(Boolean).length ?? 0) / 40;
    expect(share).toBeGreaterThan(0.05);
    expect(share).toBeLessThan(0.45);
  });

  it('reports the moments of what each batch norm saw, and its gradient does not see the moving values', async () => {
    const made = await makeModel(
      tf.sequential({
        layers: [
          tf.layers.batchNormalization({ inputShape: [5], name: 'norm', momentum: 0.8 }),
          tf.layers.dense({ units: classes, name: 'logits' }),
        ],
      }),
      [5],
    );
    const inputs = noise([4, 5], 'inputs');
    const { moments, gradient } = await gradientOf(made, { inputs });
    const { mean, variance } = tf.tidy(() => {
      const { mean, variance } = tf.moments(tf.tensor2d(inputs, [4, 5]), 0);
      return { mean: [...mean.dataSync()], variance: [...variance.dataSync()] };
    });
    expect(moments?.counts).toEqual([4]);
    [...mean, ...variance.map((value) => 4 * value)].forEach((value, i) =>
      expect(moments?.values[i]).toBeCloseTo(value, 6),
    );
    made.student.load(
      made.replica.weights,
      made.replica.frozen,
      made.replica.moving.map((value) => value + 1),
    );
    expect((await gradientOf(made, { inputs })).gradient).toEqual(gradient);
    expect(made.spec.weights.map(({ name, kind, momentum }) => [name, kind, momentum])).toEqual([
      ['norm/gamma', 'trained', undefined],
      ['norm/beta', 'trained', undefined],
      ['norm/moving_mean', 'mean', 0.8],
      ['norm/moving_variance', 'variance', 0.8],
      ['logits/kernel', 'trained', undefined],
      ['logits/bias', 'trained', undefined],
    ]);
  });

  it('gives logits in inference mode: by the moving values, without dropout, row by row alike', async () => {
    const made = await makeBuiltin({ builtin: 'mlp', hidden: [6], batchNorm: true, dropout: 0.5 }, [3]);
    const { replica, student } = made;
    const moving = replica.moving.map((value, i) => value + (i % 3));
    student.load(replica.weights, replica.frozen, moving);
    const inputs = noise([4, 3], 'inputs');
    const before = student.logits(inputs, 4);
    await gradientOf(made, { inputs });
    expect(student.logits(inputs, 4)).toEqual(before);
    const w = new Map(
      replica.plan.tensors.map(({ spec, region, offset, size }) => [
        spec.name,
        (region === 'moving' ? moving : replica.weights).subarray(offset, offset + size),
      ]),
    );
    const at = (name: string, i: number): number => w.get(name)?.[i] ?? NaN;
    const expected = Array.from({ length: 4 * classes }, (_, i) => {
      const [row, k] = [Math.floor(i / classes), i % classes];
      let z = at('logits/bias', k);
      for (let h = 0; h < 6; h++) {
        let a = 0;
        for (let c = 0; c < 3; c++) a += (inputs[row * 3 + c] ?? 0) * at('dense1/kernel', c * 6 + h);
        const normed =
          (at('dense1_norm/gamma', h) * (a - at('dense1_norm/moving_mean', h))) /
            Math.sqrt(at('dense1_norm/moving_variance', h) + 1e-3) +
          at('dense1_norm/beta', h);
        z += Math.max(0, normed) * at('logits/kernel', h * classes + k);
      }
      return z;
    });
    before.forEach((value, i) => expect(value).toBeCloseTo(expected[i] ?? NaN, 4));
  });

  it('skips the forward of a micro-batch to which no term applies', async () => {
    const made = await makeBuiltin({ builtin: 'cnn-small', filters: 2, batchNorm: true });
    made.replica.slot(0).fill(5);
    expect(
      await made.student.gradients(
        new Float32Array(0),
        4,
        { labels: Int32Array.of(-1, -1, -1, -1), soft: null },
        step,
        made.replica.slot(0),
      ),
    ).toEqual({ hasGradient: false, sums: { samples: 4 }, moments: null });
    expect(made.replica.slot(0).every((value) => value === 5)).toBe(true);
  });

  it('gives a weight that the output does not depend on the gradient 0', async () => {
    const input = tf.input({ shape: [2] });
    const used = tf.layers.dense({ units: classes, name: 'used', useBias: false }).apply(input);
    const unused = tf.layers.dense({ units: classes, name: 'unused' }).apply(input);
    if (Array.isArray(used) || Array.isArray(unused) || !('sourceLayer' in used) || !('sourceLayer' in unused))
      throw new Error('not symbolic');
    const zero = tf.layers.reLU({ maxValue: 0 }).apply(unused);
    if (Array.isArray(zero) || !('sourceLayer' in zero)) throw new Error('not symbolic');
    const sum = tf.layers.add().apply([used, zero]);
    if (Array.isArray(sum) || !('sourceLayer' in sum)) throw new Error('not symbolic');
    const made = await makeModel(tf.model({ inputs: input, outputs: sum }), [2]);
    made.replica.slot(0).fill(9);
    const { gradient } = await gradientOf(made);
    for (const { spec, offset, size } of made.replica.plan.trained) {
      expect(
        gradient.subarray(offset, offset + size).some((value) => value !== 0),
        spec.name,
      ).toBe(spec.layer === 'used');
    }
  });

  it('leaves frozen weights alone and runs a frozen batch norm by its moving values', async () => {
    const layers = [
      tf.layers.dense({ units: 4, inputShape: [3], name: 'first', trainable: false }),
      tf.layers.batchNormalization({ name: 'norm', trainable: false }),
      tf.layers.dense({ units: classes, name: 'last' }),
    ];
    const made = await makeModel(tf.sequential({ layers }), [3]);
    expect(made.spec.weights.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      'first/kernel frozen',
      'first/bias frozen',
      'norm/gamma frozen',
      'norm/beta frozen',
      'norm/moving_mean frozen',
      'norm/moving_variance frozen',
      'last/kernel trained',
      'last/bias trained',
    ]);
    const { gradient, moments } = await gradientOf(made);
    expect(moments).toBeNull();
    const logits = made.student.logits(noise([4, 3], 'inputs'), 4);
    const bias = made.replica.plan.trained[1]?.offset ?? 0;
    const share = Array.from({ length: classes }, (_, k) =>
      labels.reduce((sum, label, row) => {
        if (label < 0) return sum;
        const all = logits.subarray(row * classes, (row + 1) * classes).map(Math.exp);
        return sum + ((all[k] ?? 0) / all.reduce((a, b) => a + b, 0) - (label === k ? 1 : 0)) / 4;
      }, 0),
    );
    share.forEach((value, k) => expect(gradient[bias + k]).toBeCloseTo(value, 5));
  });

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

  it('holds no more tensors after 1,000 steps than after one', async () => {
    const made = await makeBuiltin({ builtin: 'cnn-small', filters: 2, batchNorm: true, dropout: 0.3 });
    const once = async (): Promise<number> => {
      made.student.load(made.replica.weights, made.replica.frozen, made.replica.moving);
      await gradientOf(made);
      made.student.logits(noise([4, 6, 6, 2], 'inputs'), 4);
      return tf.memory().numTensors;
    };
    const after = await once();
    for (let i = 0; i < 999; i++) await once();
    expect(await once()).toBe(after);
    const bytes = tf.memory().numBytes;
    made.student.dispose();
    expect(tf.memory().numBytes).toBeLessThan(bytes);
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
    made.student.dispose();
    await tf.setBackend('cpu');
    try {
      const reference = await make(made.spec, made.replica.readWeights());
      const expected = await gradientOf(reference, { inputs });
      expect(sums.crossEntropy).toBeCloseTo(expected.sums.crossEntropy ?? NaN, 4);
      const largest = Math.max(...expected.gradient.map(Math.abs));
      gradient.forEach((value, i) =>
        expect(Math.abs(value - (expected.gradient[i] ?? NaN)) / largest).toBeLessThan(2e-5),
      );
      reference.student.dispose();
    } finally {
      await tf.setBackend('wasm');
    }
  });
});

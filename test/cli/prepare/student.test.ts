import { mkdtempSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { layers } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { UserError } from '../../../shared/errors.js';
import { decodeSafetensors, encodeSafetensors } from '../../../shared/models/safetensors.js';
import { planReplica } from '../../../shared/replica/plan.js';
import { recipeSchema, type Recipe } from '../../../shared/recipe/schema.js';
import { Replica } from '../../../shared/replica/replica.js';
import type { TensorFlow } from '../../../worker/compute/backends/backend.js';
import { openWasm } from '../../../worker/compute/backends/wasm/wasm.js';
import { exportStudent } from '../../../worker/tools/export/export-student.js';
import { evaluateClassifier, logitsOf } from '../../worker/evaluate-student.js';
import type { Expected } from '../../../cli/prepare/expected.js';
import type { InspectedStudent } from '../../../cli/prepare/inspected-student.js';
import { inspectStudent, type StudentOptions } from '../../../cli/prepare/student.js';
import { orthogonal } from '../../../worker/compute/student/tfjs/orthogonal.js';
import { studentOf } from '../../worker/compute/student/students.js';

let tf: TensorFlow;
beforeAll(async () => {
  ({ tf } = await openWasm());
});

const noTensorFlow = (): Promise<TensorFlow> => Promise.reject(new Error('tfjs was opened'));
const expected: Expected = { inputShape: [4, 4, 1], task: 'classes', classes: 3, preprocess: null };

function folder(): string {
  return mkdtempSync(join(tmpdir(), 'stillhouse-student-'));
}

function modelOf(list: layers.Layer[]): Record<string, unknown> {
  const model = tf.sequential({ layers: list });
  const topology = JSON.parse(JSON.stringify(model.toJSON(undefined, false))) as Record<string, unknown>;
  model.dispose();
  return topology;
}

/** Writes FOLDER/model.json without weights. */
function saveTopology(modelTopology: unknown, where = folder(), more: object = {}): string {
  mkdirSync(where, { recursive: true });
  writeFileSync(join(where, 'model.json'), JSON.stringify({ format: 'layers-model', modelTopology, ...more }));
  return where;
}

function inspect(
  where: string,
  student: Recipe['student'] = { model: 'model.json' },
  wanted: Partial<Expected> = {},
  options: Partial<StudentOptions> = {},
): Promise<InspectedStudent> {
  return inspectStudent(student, { ...expected, ...wanted }, { folder: where, seed: 5, ...options });
}

const small = (): layers.Layer[] => [
  tf.layers.flatten({ inputShape: [4, 4, 1], name: 'flat' }),
  tf.layers.dense({ units: 3, name: 'logits' }),
];

async function refusal(promise: Promise<unknown>): Promise<UserError> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof UserError)) throw new Error('no UserError', { cause: error });
  expect(error.message).not.toContain('\n');
  return error;
}

describe('the built-in students', () => {
  it.each([
    [{ builtin: 'mlp', hidden: [7, 5], batchNorm: true, dropout: 0.1 }, 16 * 7 + 7 * 5 + 2 * 7 + 2 * 5 + 5 * 3 + 3],
    [{ builtin: 'mlp' }, 16 * 128 + 128 + 128 * 3 + 3],
    [{ builtin: 'cnn-small', filters: 4 }, 9 * 4 + 4 + 9 * 4 * 8 + 8 + 8 * 3 + 3],
    [{ builtin: 'cnn-small', filters: 4, batchNorm: true, dropout: 0.2 }, 9 * 4 + 8 + 9 * 4 * 8 + 16 + 8 * 3 + 3],
    [
      { builtin: 'resnet', filters: 4 },
      9 * 4 +
        8 +
        2 * (9 * 16 + 8) +
        (9 * 32 + 9 * 64 + 32 + 32 + 16) +
        (9 * 128 + 9 * 256 + 64 + 128 + 32) +
        16 * 3 +
        3,
    ],
    [
      { builtin: 'mlp', hidden: [7, 5, 4], exits: true },
      16 * 7 + 7 + 7 * 5 + 5 + 5 * 4 + 4 + 4 * 3 + 3 + (7 * 3 + 3) + (5 * 3 + 3),
    ],
    [
      { builtin: 'cnn-small', filters: 4, exits: true },
      9 * 4 + 4 + 9 * 4 * 8 + 8 + 8 * 3 + 3 + (9 * 4 * 8 + 8 + 8 * 3 + 3),
    ],
    [{ builtin: 'resnet', filters: 2, batchNorm: true, exits: true }, null],
    [{ builtin: 'resnet', depth: 14, filters: 2, batchNorm: false, dropout: 0.5 }, null],
  ] as const)('%j are models that tfjs builds, with the weights that they list', async (options, parameters) => {
    const recipe = recipeSchema.shape.student.parse(options);
    const { spec, weights, warnings } = await inspect('/', recipe, {}, { openTensorFlow: noTensorFlow });
    expect(warnings).toEqual([]);
    expect([...weights.keys()]).toEqual(spec.weights.map(({ name }) => name));
    spec.weights.forEach(({ name, shape }) => expect(weights.get(name)?.length).toBe(shape.reduce((a, b) => a * b, 1)));
    const plan = planReplica(spec, recipeSchema.shape.optimizer.parse({ name: 'sgd', learningRate: 1 }));
    const trained = plan.trained.reduce((sum, { size }) => sum + size, 0);
    if (parameters !== null) expect(trained).toBe(parameters);
    const student = await studentOf(spec, plan);
    const replica = new Replica(plan, { slots: 1 });
    replica.loadWeights(weights);
    student.load(replica.weights, replica.frozen, replica.moving);
    const { logits } = await student.outputs(new Float32Array(32).fill(0.5), 2);
    expect(logits.length).toBe(6);
    expect(new Set(logits).size).toBeGreaterThan(1);
    await student.dispose();
    // As a model file it is the same student.
    const files = folder();
    await exportStudent(spec, weights, files);
    const again = await inspect(files);
    expect(again.spec.weights).toEqual(spec.weights);
    expect([...again.weights]).toEqual([...weights]);
  });

  it('draw weights from the seed and the weight alone, within the bounds of He and Glorot', async () => {
    const draw = async (seed: number, hidden: number[]): Promise<ReadonlyMap<string, Float32Array>> =>
      (await inspect('/', { builtin: 'mlp', hidden }, {}, { seed, openTensorFlow: noTensorFlow })).weights;
    const [a, same, other, deeper] = [
      await draw(1, [50]),
      await draw(1, [50]),
      await draw(2, [50]),
      await draw(1, [50, 50]),
    ];
    expect(same).toEqual(a);
    expect(other.get('dense1/kernel')).not.toEqual(a.get('dense1/kernel'));
    expect(deeper.get('dense1/kernel')).toEqual(a.get('dense1/kernel'));
    const largest = (values: Float32Array | undefined): number => Math.max(...(values ?? []).map(Math.abs));
    expect(largest(a.get('dense1/kernel')) / Math.sqrt(6 / 16)).toBeGreaterThan(0.98);
    expect(largest(a.get('dense1/kernel')) / Math.sqrt(6 / 16)).toBeLessThanOrEqual(1);
    expect(largest(a.get('logits/kernel')) / Math.sqrt(6 / 53)).toBeGreaterThan(0.9);
    expect(largest(a.get('logits/kernel')) / Math.sqrt(6 / 53)).toBeLessThanOrEqual(1);
  });

  it.each([
    [{ builtin: 'resnet', depth: 10 }, 'student.depth is 10; a resnet has 6n + 2 layers'],
    [{ builtin: 'mlp', filters: 4 }, 'student.filters: the built-in student mlp has no such option; it has hidden'],
    [{ builtin: 'cnn-small', depth: 8 }, 'student.depth: the built-in student cnn-small'],
    [{ builtin: 'mlp', classes: 4 }, 'student.classes is 4; the data has 3 classes'],
  ] as const)('%j are refused', async (options, message) => {
    const error = await refusal(inspect('/', recipeSchema.shape.student.parse(options)));
    expect(error.message).toContain(message);
    expect(error.exitCode).toBe(2);
  });

  it('of absurd sizes are refused before memory is taken for them', async () => {
    const error = await refusal(inspect('/', recipeSchema.shape.student.parse({ builtin: 'mlp', hidden: [1e12] })));
    expect(error.message).toBe(
      'student: with dense1/kernel of [16, 1000000000000] it has 16000000000000 weights; a replica holds at most 357908480',
    );
    expect(error.exitCode).toBe(65);
  });

  it('that take images refuse vectors', async () => {
    const error = await refusal(inspect('/', { builtin: 'cnn-small' }, { inputShape: [16] }));
    expect(error.message).toBe(
      "student.builtin cnn-small takes images of at least 4 x 4 [height, width, channels]; the data's samples are [16]",
    );
  });
});

describe('a student from a file', () => {
  it('starts from the weights of its own files, whatever their names', async () => {
    const model = tf.sequential({ layers: small() });
    const where = folder();
    await model.save(
      tf.io.withSaveHandler(async ({ weightData, weightSpecs, modelTopology }) => {
        const bytes = Buffer.from(weightData as ArrayBuffer);
        writeFileSync(join(where, 'a.bin'), bytes.subarray(0, 50));
        writeFileSync(join(where, 'b.bin'), bytes.subarray(50));
        saveTopology(modelTopology, where, { weightsManifest: [{ paths: ['a.bin', 'b.bin'], weights: weightSpecs }] });
        return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
      }),
    );
    const { spec, weights } = await inspect(where);
    expect(spec.weights.map(({ name, shape }) => [name, shape])).toEqual([
      ['logits/kernel', [16, 3]],
      ['logits/bias', [3]],
    ]);
    expect(weights.get('logits/kernel')).toEqual(model.getWeights()[0]?.dataSync());
    model.dispose();
  });

  it('starts from a safetensors file', async () => {
    const where = saveTopology(modelOf(small()));
    const values = Float32Array.from({ length: 48 }, (_, i) => i / 7);
    writeFileSync(
      join(where, 'w.safetensors'),
      encodeSafetensors(
        new Map([
          ['logits/bias', { shape: [3], values: Float32Array.of(1, 2, 3) }],
          ['logits/kernel', { shape: [16, 3], values }],
        ]),
      ),
    );
    const { weights } = await inspect(where, { model: 'model.json', weights: 'w.safetensors' });
    expect([...weights]).toEqual([
      ['logits/kernel', values],
      ['logits/bias', Float32Array.of(1, 2, 3)],
    ]);
  });

  it('without weights draws them from the seed, by its initializers, spelled out or not', async () => {
    const warn = vi.spyOn(console, 'warn');
    const layers = [
      tf.layers.reshape({ targetShape: [4, 4], inputShape: [4, 4, 1] }),
      tf.layers.lstm({ units: 30, name: 'lstm', unitForgetBias: true }),
      tf.layers.dense({ units: 3, name: 'logits' }),
    ];
    const topology = modelOf(layers);
    const bare = JSON.parse(JSON.stringify(topology), (key, value: unknown) =>
      key.endsWith('_initializer') ? undefined : value,
    ) as Record<string, unknown>;
    for (const one of [topology, bare]) {
      warn.mockClear();
      const draws = [
        await inspect(saveTopology(one)),
        await inspect(saveTopology(one)),
        await inspect(saveTopology(one), { model: 'model.json' }, {}, { seed: 6 }),
      ];
      expect(draws[1]?.weights).toEqual(draws[0]?.weights);
      expect(draws[2]?.weights.get('lstm/recurrent_kernel')).not.toEqual(
        draws[0]?.weights.get('lstm/recurrent_kernel'),
      );
      expect(draws[2]?.weights.get('logits/kernel')).not.toEqual(draws[0]?.weights.get('logits/kernel'));
      expect(draws[0]?.weights.get('lstm/bias')?.slice(0, 90)).toEqual(
        Float32Array.from({ length: 90 }, (_, i) => (i >= 30 && i < 60 ? 1 : 0)),
      );
      if (one === topology) expect(warn).not.toHaveBeenCalled();
    }
    warn.mockRestore();
  });

  it('loses a softmax at its end, and says so', async () => {
    const ends = [
      [tf.layers.flatten({ inputShape: [4, 4, 1] }), tf.layers.dense({ units: 3, name: 'out', activation: 'softmax' })],
      [...small(), tf.layers.softmax({ name: 'soft' })],
      [...small(), tf.layers.activation({ activation: 'softmax', name: 'soft' })],
      [tf.sequential({ name: 'inner', layers: [...small(), tf.layers.softmax({ name: 'soft' })] })],
    ];
    for (const list of ends) {
      const { spec, warnings, weights } = await inspect(saveTopology(modelOf(list)));
      expect(warnings).toEqual(['student model.json: its final softmax is left out; the student gives logits']);
      const plan = planReplica(spec, recipeSchema.shape.optimizer.parse({ name: 'sgd', learningRate: 1 }));
      const student = await studentOf(spec, plan);
      const replica = new Replica(plan, { slots: 1 });
      replica.loadWeights(new Map([...weights].map(([name, values]) => [name, values.map(() => 2)])));
      student.load(replica.weights, replica.frozen, replica.moving);
      expect([...(await student.outputs(new Float32Array(16).fill(1), 1)).logits]).toEqual([34, 34, 34]);
      await student.dispose();
    }
  });

  it('of several labels loses a sigmoid at its end, and of numbers nothing', async () => {
    const ending = (activation: 'sigmoid' | 'softmax'): string =>
      saveTopology(
        modelOf([tf.layers.flatten({ inputShape: [4, 4, 1] }), tf.layers.dense({ units: 3, name: 'out', activation })]),
      );
    const warnings = async (
      activation: 'sigmoid' | 'softmax',
      task: 'classes' | 'regression' | 'multiLabel',
    ): Promise<readonly string[]> => (await inspect(ending(activation), undefined, { task })).warnings;
    expect(await warnings('sigmoid', 'multiLabel')).toEqual([
      'student model.json: its final sigmoid is left out; the student gives logits',
    ]);
    expect([
      await warnings('softmax', 'multiLabel'),
      await warnings('sigmoid', 'classes'),
      await warnings('softmax', 'regression'),
      await warnings('sigmoid', 'regression'),
    ]).toEqual([[], [], [], []]);
  });

  it('of sequences gives its classes at each position, and loses a softmax that is the same at each', async () => {
    const model = (units: number): string =>
      saveTopology(
        modelOf([
          tf.layers.reshape({ targetShape: [4, 4], inputShape: [4, 4, 1] }),
          tf.layers.timeDistributed({ layer: tf.layers.dense({ units, activation: 'softmax' }), name: 'out' }),
        ]),
      );
    const { spec, warnings } = await inspect(model(3), undefined, { task: 'sequence', positions: 4 });
    expect([spec.positions, spec.classes, warnings]).toEqual([
      4,
      3,
      ['student model.json: its final softmax is left out; the student gives logits'],
    ]);
    expect(JSON.stringify(spec)).not.toContain('softmax');
    expect((await refusal(inspect(model(2), undefined, { task: 'sequence', positions: 4 }))).message).toBe(
      'student model.json: its output shape is [4, 2]; the data has 3 classes at 4 positions',
    );
    expect((await refusal(inspect(model(3), undefined, { task: 'sequence', positions: 5 }))).message).toBe(
      'student model.json: its output shape is [4, 3]; the data has 3 classes at 5 positions',
    );
  });

  const dense = (config: object): layers.Layer => tf.layers.dense({ units: 3, name: 'logits', ...config });
  const cases: [string, () => Promise<unknown>, number, string][] = [
    [
      'a missing file',
      () => inspect('/nowhere'),
      2,
      'student.model: /nowhere/model.json: no such file; a file was wanted',
    ],
    [
      'missing weights',
      () => inspect(saveTopology(modelOf(small())), { model: 'model.json', weights: 'w.safetensors' }),
      2,
      'w.safetensors: no such file; a file was wanted',
    ],
    [
      'no JSON',
      () => inspect(written('nonsense')),
      65,
      'model.json: it is no JSON; the model.json of a tfjs LayersModel, or an .onnx file, was wanted',
    ],
    ['JSON of another kind', () => inspect(written('{"a": 1}')), 65, 'model.json: it has no modelTopology;'],
    ['a frozen graph', () => inspect(saveTopology({ node: [] })), 65, 'it is a frozen GraphModel'],
    [
      'a topology without layers',
      () => inspect(saveTopology({ class_name: 'Sequential' })),
      65,
      'its modelTopology is no model',
    ],
    [
      'an unknown layer',
      () => inspect(saveTopology(withLayer({ class_name: 'Mystery', config: { name: 'm' } }))),
      65,
      'student layer m (Mystery): layers of this type cannot be trained here',
    ],
    [
      'another input shape',
      () => inspect(saveTopology(modelOf([tf.layers.dense({ units: 3, inputShape: [16] })]))),
      2,
      "its input shape is [16]; the data's samples are [4, 4, 1]",
    ],
    [
      'another number of classes',
      () => inspect(saveTopology(modelOf(small())), { model: 'model.json' }, { classes: 5 }),
      2,
      'its output shape is [3]; the data has 5 classes',
    ],
    [
      'an output per pixel',
      () => inspect(saveTopology(modelOf([tf.layers.dense({ units: 3, inputShape: [4, 4, 1] })]))),
      2,
      'its output shape is [4, 4, 3]',
    ],
    [
      'no weights to train',
      () => inspect(saveTopology(modelOf([tf.layers.flatten({ inputShape: [4, 4, 1] }), dense({ trainable: false })]))),
      65,
      'no weights left to train',
    ],
    [
      'weights that are cut off',
      () => inspect(withWeights(100)),
      65,
      'its 100 bytes are not the weights that model.json lists',
    ],
    [
      'weights that are missing on disk',
      () => inspect(withWeights(null)),
      2,
      'weights.bin: no such file; a file was wanted',
    ],
    [
      'weights that are not finite',
      () => inspect(withWeights(204, NaN)),
      65,
      'logits/kernel holds NaN; finite numbers were wanted',
    ],
    [
      'a tensor of another shape',
      () =>
        inspect(withTensors({ 'logits/kernel': [3, 16], 'logits/bias': [3] }), {
          model: 'model.json',
          weights: 'w.safetensors',
        }),
      65,
      "w.safetensors: logits/kernel is [3, 16]; the student's is [16, 3]",
    ],
    [
      'a tensor that is missing',
      () => inspect(withTensors({ 'logits/kernel': [16, 3] }), { model: 'model.json', weights: 'w.safetensors' }),
      65,
      'no tensor named logits/bias',
    ],
    [
      'a tensor too many',
      () =>
        inspect(withTensors({ 'logits/kernel': [16, 3], 'logits/bias': [3], 'other/bias': [1] }), {
          model: 'model.json',
          weights: 'w.safetensors',
        }),
      65,
      'it has a tensor other/bias',
    ],
  ];

  it.each(cases)('is refused with %s', async (_, run, exitCode, message) => {
    const before = tf.memory().numTensors;
    const error = await refusal(run());
    expect(error.message).toContain(message);
    expect(error.exitCode).toBe(exitCode);
    expect(tf.memory().numTensors).toBe(before);
  });

  function written(text: string): string {
    const where = folder();
    writeFileSync(join(where, 'model.json'), text);
    return where;
  }

  function withLayer(layer: object): unknown {
    return {
      class_name: 'Sequential',
      config: {
        name: 's',
        layers: [{ class_name: 'Flatten', config: { name: 'f', batch_input_shape: [null, 4, 4, 1] } }, layer],
      },
    };
  }

  function withWeights(bytes: number | null, value = 1): string {
    const weights = [
      { name: 'logits/kernel', shape: [16, 3], dtype: 'float32' },
      { name: 'logits/bias', shape: [3], dtype: 'float32' },
    ];
    const where = saveTopology(modelOf(small()), folder(), { weightsManifest: [{ paths: ['weights.bin'], weights }] });
    if (bytes !== null)
      writeFileSync(join(where, 'weights.bin'), new Uint8Array(new Float32Array(51).fill(value).buffer, 0, bytes));
    return where;
  }

  function withTensors(shapes: Record<string, number[]>): string {
    const where = saveTopology(modelOf(small()));
    const tensors = new Map(
      Object.entries(shapes).map(([name, shape]) => [
        name,
        { shape, values: new Float32Array(shape.reduce((a, b) => a * b, 1)) },
      ]),
    );
    writeFileSync(join(where, 'w.safetensors'), encodeSafetensors(tensors));
    return where;
  }
});

describe('layers that cannot be trained reproducibly', () => {
  const sequence = (layer: layers.Layer): layers.Layer[] => [
    tf.layers.reshape({ targetShape: [4, 4], inputShape: [4, 4, 1] }),
    layer,
    tf.layers.dense({ units: 3 }),
  ];
  const image = (layer: layers.Layer): layers.Layer[] => [
    tf.layers.inputLayer({ inputShape: [4, 4, 1] }),
    layer,
    tf.layers.flatten(),
    tf.layers.dense({ units: 3 }),
  ];
  const cases: [string, () => layers.Layer[], string][] = [
    [
      'Gaussian noise',
      () => image(tf.layers.gaussianNoise({ stddev: 1, name: 'n' })),
      'student layer n (GaussianNoise): its noise cannot be keyed',
    ],
    [
      'Gaussian dropout',
      () => image(tf.layers.gaussianDropout({ rate: 0.2, name: 'n' })),
      'student layer n (GaussianDropout)',
    ],
    ['alpha dropout', () => image(tf.layers.alphaDropout({ rate: 0.2, name: 'n' })), 'student layer n (AlphaDropout)'],
    [
      'spatial dropout',
      () => sequence(tf.layers.spatialDropout1d({ rate: 0.2, name: 'n' })),
      'student layer n (SpatialDropout1D)',
    ],
    [
      'LSTM dropout',
      () => sequence(tf.layers.lstm({ units: 3, dropout: 0.1, name: 'n' })),
      'student layer n (LSTM): dropout is 0.1; its noise cannot be keyed',
    ],
    [
      'GRU recurrent dropout',
      () => sequence(tf.layers.gru({ units: 3, recurrentDropout: 0.2, name: 'n' })),
      'student layer n (GRU): recurrent_dropout is 0.2',
    ],
    [
      'dropout inside a bidirectional layer',
      () =>
        sequence(
          tf.layers.bidirectional({
            layer: tf.layers.simpleRNN({ units: 3, dropout: 0.3, name: 'r' }),
            mergeMode: 'sum',
            name: 'n',
          }),
        ),
      '(SimpleRNN): dropout is 0.3',
    ],
    [
      'dropout at every time step',
      () => image(tf.layers.timeDistributed({ layer: tf.layers.dropout({ rate: 0.5, name: 'd' }), name: 'n' })),
      'student layer n/d (Dropout): it stands inside another layer',
    ],
    [
      'batch norm at every time step',
      () => image(tf.layers.timeDistributed({ layer: tf.layers.batchNormalization({ name: 'b' }), name: 'n' })),
      'student layer n/b (BatchNormalization): it stands inside another layer',
    ],
    [
      'batch norm over another axis',
      () => image(tf.layers.batchNormalization({ axis: 1, name: 'n' })),
      'student layer n (BatchNormalization): axis is 1; the last one was wanted',
    ],
    [
      'a dilated convolution',
      () => image(tf.layers.conv2d({ filters: 2, kernelSize: 2, dilationRate: 2, name: 'n' })),
      'student layer n (Conv2D): dilation_rate is [2, 2]',
    ],
    [
      'a three-dimensional convolution',
      () => [
        tf.layers.reshape({ targetShape: [4, 4, 1, 1], inputShape: [4, 4, 1] }),
        tf.layers.conv3d({ filters: 2, kernelSize: 1, name: 'n' }),
        tf.layers.flatten(),
        tf.layers.dense({ units: 3 }),
      ],
      'student layer n (Conv3D): layers of this type cannot be trained here',
    ],
    [
      'a thresholded unit',
      () => image(tf.layers.thresholdedReLU({ name: 'n' })),
      'student layer n (ThresholdedReLU): layers of this type',
    ],
    [
      'a regularizer',
      () => image(tf.layers.conv2d({ filters: 2, kernelSize: 1, kernelRegularizer: 'l1l2', name: 'n' })),
      'student layer n (Conv2D): kernel_regularizer is set; the loss has no such term',
    ],
    [
      'a constraint',
      () => image(tf.layers.conv2d({ filters: 2, kernelSize: 1, biasConstraint: 'nonNeg', name: 'n' })),
      'student layer n (Conv2D): bias_constraint is set',
    ],
  ];

  it.each(cases)('are refused by name: %s', async (_, list, message) => {
    const error = await refusal(inspect(saveTopology(modelOf(list()))));
    expect(error.message).toContain(message);
    expect(error.exitCode).toBe(65);
  });

  it('are refused by name: a stateful layer', async () => {
    const topology: unknown = JSON.parse(
      JSON.stringify(modelOf(sequence(tf.layers.lstm({ units: 3, name: 'n' })))).replace(
        '"stateful":false',
        '"stateful":true',
      ),
    );
    expect((await refusal(inspect(saveTopology(topology)))).message).toContain(
      'student layer n (LSTM): it is stateful',
    );
  });

  it('are refused by name: one batch norm applied at two places', async () => {
    const input = tf.input({ shape: [4, 4, 1] });
    const norm = tf.layers.batchNormalization({ name: 'n' });
    const outputs = tf.layers.dense({ units: 3 }).apply(tf.layers.flatten().apply(norm.apply(norm.apply(input))));
    if (Array.isArray(outputs) || !('sourceLayer' in outputs)) throw new Error('not symbolic');
    const topology = JSON.parse(
      JSON.stringify(tf.model({ inputs: input, outputs }).toJSON(undefined, false)),
    ) as unknown;
    expect((await refusal(inspect(saveTopology(topology)))).message).toContain(
      'student layer n (BatchNormalization): it is applied 2 times',
    );
  });
});

describe('an exported student', () => {
  it('is a tfjs model and a safetensors file with the weights that it was given', async () => {
    const { spec, weights } = await inspect('/', { builtin: 'cnn-small', filters: 2, batchNorm: true });
    const out = join(folder(), 'a', 'student');
    expect(await exportStudent(spec, weights, out)).toEqual(['weights.bin', 'model.json', 'student.safetensors']);
    const tensors = decodeSafetensors(readFileSync(join(out, 'student.safetensors')), 'x');
    expect([...tensors].map(([name, { values }]) => [name, values])).toEqual([...weights]);
    const json = JSON.parse(readFileSync(join(out, 'model.json'), 'utf8')) as {
      modelTopology: object;
      weightsManifest: [{ weights: { name: string; shape: number[]; dtype: 'float32' }[] }];
    };
    const bytes = readFileSync(join(out, 'weights.bin'));
    const weightData = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
    const model = await tf.loadLayersModel(
      tf.io.fromMemory({ modelTopology: json.modelTopology, weightSpecs: json.weightsManifest[0].weights, weightData }),
    );
    for (const weight of model.weights)
      expect(Float32Array.from(weight.read().dataSync())).toEqual(weights.get(weight.originalName));
    model.dispose();
  });

  it('cannot be written under a file: exit code 69', async () => {
    const { spec, weights } = await inspect('/', { builtin: 'mlp', hidden: [2] });
    const file = join(folder(), 'file');
    writeFileSync(file, '');
    expect((await refusal(exportStudent(spec, weights, join(file, 'student')))).exitCode).toBe(69);
  });
});

describe('evaluation in fixed rows', () => {
  it('gives every sample its logits, the last forward filled up', () => {
    const seen: number[] = [];
    const model = {
      logits(inputs: Float32Array, rows: number): Float32Array {
        seen.push(inputs.length / 2);
        return Float32Array.from({ length: rows * 2 }, (_, i) => inputs[i] ?? NaN);
      },
    };
    const data = {
      inputs: Float32Array.of(1, 0, 0, 1, 1, 0, 0, 2, 3, 0),
      labels: Int32Array.of(0, 1, 1, -1, 0),
      inputShape: [2],
      classes: 2,
    };
    expect([...logitsOf(model, data, 2)]).toEqual([...data.inputs]);
    expect(seen).toEqual([2, 2, 2]);
    expect(evaluateClassifier(model, data, 3)).toMatchObject({
      samples: 4,
      accuracy: 0.75,
      top5: 1,
      confusion: [
        [2, 0],
        [1, 1],
      ],
    });
  });
});

describe('the orthogonal initializer', () => {
  it.each([[[5, 3]], [[3, 5]], [[4, 4]], [[2, 3, 4]]])(
    'makes rows or columns of %j orthogonal, of length `gain`',
    (shape) => {
      const values = orthogonal(shape, 2, 9);
      const columns = shape.at(-1) ?? 0;
      const rows = values.length / columns;
      const at = (row: number, column: number): number => values[row * columns + column] ?? NaN;
      const [count, length] = [Math.min(rows, columns), Math.max(rows, columns)];
      for (let i = 0; i < count; i++) {
        for (let j = 0; j < count; j++) {
          let product = 0;
          for (let k = 0; k < length; k++) product += rows >= columns ? at(k, i) * at(k, j) : at(i, k) * at(j, k);
          expect(product).toBeCloseTo(i === j ? 4 : 0, 5);
        }
      }
      expect(orthogonal(shape, 2, 9)).toEqual(values);
      expect(orthogonal(shape, 2, 10)).not.toEqual(values);
    },
  );
});

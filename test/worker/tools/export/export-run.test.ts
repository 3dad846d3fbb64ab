/** Students that are exported with what they are fed, and with their preprocessing inside. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LayersModel, Tensor as TfTensor } from '@tensorflow/tfjs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { normalise } from '../../../../shared/data/samples.js';
import { factsIn } from '../../../../shared/models/layers-model.js';
import { factsAsTexts, factsFromTexts, type StudentFacts } from '../../../../shared/models/student-facts.js';
import { jsonSchema } from '../../../../shared/models/topology.js';
import { openWasm } from '../../../../worker/compute/backends/wasm/wasm.js';
import { readOnnxMetadata } from '../../../../worker/compute/onnx/facts.js';
import { floats } from '../../../../worker/compute/onnx/graph.js';
import { withMetadata } from '../../../../worker/compute/onnx/metadata.js';
import { writeOnnx } from '../../../../worker/compute/onnx/write.js';
import { exportRun } from '../../../../worker/tools/export/export-run.js';
import { exportStudent } from '../../../../worker/tools/export/export-student.js';
import { convNet } from '../../compute/student/graph/onnx-students.js';
import { temporaryFolder } from '../../compute/teachers/fixtures.js';

const { tf } = await openWasm();
const preprocess = { scale: 0.004, mean: [0.4, 0.5], std: [0.2, 0.25] };

function sequential(): LayersModel {
  return tf.sequential({
    layers: [
      tf.layers.conv2d({ filters: 3, kernelSize: 2, activation: 'tanh', inputShape: [4, 4, 2] }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 3 }),
    ],
  });
}

/** Two branches take the input. */
function functional(): LayersModel {
  const input = tf.input({ shape: [4, 4, 2] });
  const flat = tf.layers.flatten({ name: 'preprocessing' }).apply(input);
  const pooled = tf.layers.globalAveragePooling2d({ dataFormat: 'channelsLast' }).apply(input);
  const both = tf.layers.concatenate().apply([flat, pooled] as never);
  return tf.model({ inputs: input, outputs: tf.layers.dense({ units: 3 }).apply(both) as never });
}

const facts: StudentFacts = {
  input: { shape: [4, 4, 2], range: { least: 0, most: 255 }, preprocess },
  output: { task: 'classes', classes: 3, classNames: ['a', 'b', 'c'] },
};

async function runWith(model: LayersModel, told: StudentFacts | undefined = facts): Promise<string> {
  const folder = temporaryFolder();
  const weights = model.weights.map((weight) => ({
    name: weight.originalName,
    layer: weight.originalName,
    shape: weight.shape.map(Number),
    kind: 'trained' as const,
  }));
  const topology = jsonSchema.parse(model.toJSON(undefined, false));
  const values = model.weights.map(
    (weight) => [weight.originalName, Float32Array.from(weight.read().dataSync())] as const,
  );
  const spec = { topology, weights, inputShape: [4, 4, 2], classes: 3 };
  await exportStudent(spec, new Map(values), join(folder, 'student'), told);
  return folder;
}

const raw = Float32Array.from({ length: 3 * 32 }, (_, i) => (i * 53) % 256);

async function fromTfjs(folder: string, inputs: Float32Array): Promise<number[]> {
  const json = JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8')) as {
    modelTopology: object;
    weightsManifest: { weights: never[] }[];
  };
  const bytes = readFileSync(join(folder, 'weights.bin'));
  const model = await tf.loadLayersModel(
    tf.io.fromMemory({
      modelTopology: json.modelTopology,
      weightSpecs: json.weightsManifest.flatMap(({ weights }) => weights),
      weightData: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
    }),
  );
  return [...(model.predict(tf.tensor(inputs, [3, 4, 4, 2])) as TfTensor).dataSync()];
}

async function fromOnnx(folder: string, inputs: Float32Array): Promise<number[]> {
  const session = await InferenceSession.create(readFileSync(join(folder, 'student.onnx')));
  const { logits } = await session.run({ input: new Tensor('float32', inputs, [3, 4, 4, 2]) });
  return Array.from(logits?.data as Float32Array);
}

describe('a student with its preprocessing inside', () => {
  it.each([
    ['a Sequential one', sequential],
    ['one whose input several layers take, and whose names collide', functional],
  ])('gives of raw samples what it gave of preprocessed ones: %s', async (_case, make) => {
    const run = await runWith(make());
    const out = join(run, 'out');
    expect(await exportRun(run, out, { formats: ['tfjs', 'onnx'], isPreprocessed: true })).toHaveLength(3);
    const fed = Float32Array.from(raw);
    normalise(fed, 2, preprocess);
    const wanted = (await fromTfjs(join(run, 'student'), fed)).map((value) => expect.closeTo(value, 4));
    expect(await fromTfjs(out, raw)).toEqual(wanted);
    expect(await fromOnnx(out, raw)).toEqual(wanted);
    const told = factsIn(JSON.parse(readFileSync(join(out, 'model.json'), 'utf8')));
    expect(told).toEqual({ ...facts, input: { ...facts.input, preprocess: null } });
  });

  it('is refused to a form without a graph, and to a run that does not say what it is fed', async () => {
    const formats = ['tfjs', 'safetensors'] as const;
    const run = await runWith(sequential());
    await expect(exportRun(run, run, { formats, isPreprocessed: true })).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(
        /^--with-preprocessing: safetensors given, .*; --format tfjs, onnx or both wanted$/,
      ),
    });
    const { modelTopology, ...rest } = JSON.parse(readFileSync(join(run, 'student/model.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    expect(Object.keys(rest)).toContain('userDefinedMetadata');
    expect(modelTopology).toBeDefined();
  });
});

describe('a student in each form', () => {
  it('says what it is fed, what it gives, and what its classes are called', async () => {
    const run = await runWith(sequential());
    await exportRun(run, join(run, 'out'), { formats: ['tfjs', 'safetensors', 'onnx'] });
    const texts = {
      'stillhouse.input': JSON.stringify(facts.input),
      'stillhouse.output': JSON.stringify(facts.output),
    };
    const model = JSON.parse(readFileSync(join(run, 'out/model.json'), 'utf8')) as Record<string, unknown>;
    expect(model.userDefinedMetadata).toEqual({ stillhouse: facts });
    expect(readOnnxMetadata(readFileSync(join(run, 'out/student.onnx')))).toEqual(texts);
    const tensors = readFileSync(join(run, 'out/student.safetensors'));
    const header = tensors.subarray(8, 8 + Number(tensors.readBigUInt64LE(0))).toString();
    expect((JSON.parse(header) as Record<string, unknown>).__metadata__).toEqual(texts);
  });
});

describe('a student that came as a graph which trains', () => {
  it('is exported as one that answers for each sample alone, as others run it', async () => {
    const run = temporaryFolder();
    mkdirSync(join(run, 'student'));
    const trains = convNet({ sample: [2, 5, 4], classes: 3, ratio: 0.5 });
    writeFileSync(join(run, 'student/student.onnx'), trains);
    await exportRun(run, join(run, 'out'), { formats: ['onnx'] });
    const answerTo = async (file: string, second: number): Promise<unknown> => {
      const session = await InferenceSession.create(readFileSync(join(run, file)));
      const samples = Float32Array.from({ length: 80 }, (_, i) => Math.sin(i) * (i < 40 ? 1 : second));
      const { y } = await session.run({ x: new Tensor('float32', samples, [2, 2, 5, 4]) });
      return (y?.data as Float32Array).slice(0, 3);
    };
    expect(await answerTo('out/student.onnx', 5)).toEqual(await answerTo('out/student.onnx', 1));
    expect(await answerTo('student/student.onnx', 5)).not.toEqual(await answerTo('student/student.onnx', 1));
    expect(readFileSync(join(run, 'student/student.onnx'))).toEqual(Buffer.from(trains));
  });

  /** [channels, places] or, where the channels come last, [places, channels]. */
  const cases: [string, Uint8Array, number[], number[] | undefined, (i: number) => number][] = [
    [
      'channels first',
      convNet({ sample: [2, 5, 4], classes: 3, ratio: 0.5 }),
      [5, 4, 2],
      [2, 5, 4],
      (i) => Math.floor(i / 20) % 2,
    ],
    ['one vector', denseNet([8], 'x_scaled'), [2, 2, 2], [8], (i) => i % 2],
    ['channels last', denseNet([2], 'h'), [2], undefined, (i) => i % 2],
  ];
  it.each(cases)(
    'takes raw samples of %s with its preprocessing inside',
    async (_name, graph, shape, feed, channelOf) => {
      const run = temporaryFolder();
      mkdirSync(join(run, 'student'));
      const input = { shape, ...(feed === undefined ? {} : { feed }), preprocess };
      writeFileSync(join(run, 'student/student.onnx'), withMetadata(graph, factsAsTexts({ ...facts, input })));
      await exportRun(run, join(run, 'plain'), { formats: ['onnx'] });
      await exportRun(run, join(run, 'raw'), { formats: ['onnx'], isPreprocessed: true });
      const size = (feed ?? shape).reduce((product, dim) => product * dim, 1);
      const raw = Float32Array.from({ length: 3 * size }, (_, i) => (i * 37) % 256);
      const fed = raw.map((value, i) => {
        const c = channelOf(i % size);
        return (value * preprocess.scale - (preprocess.mean[c] ?? NaN)) / (preprocess.std[c] ?? NaN);
      });
      const answer = async (file: string, values: Float32Array): Promise<number[]> => {
        const session = await InferenceSession.create(readFileSync(join(run, file, 'student.onnx')));
        const { y } = await session.run({ x: new Tensor('float32', values, [3, ...(feed ?? shape)]) });
        return Array.from(y?.data as Float32Array);
      };
      expect(await answer('raw', raw)).toEqual((await answer('plain', fed)).map((value) => expect.closeTo(value, 4)));
      expect(factsFromTexts(readOnnxMetadata(readFileSync(join(run, 'raw/student.onnx'))))?.input).toEqual({
        ...input,
        preprocess: null,
      });
    },
  );

  it('is refused its preprocessing where it does not say what it is fed', async () => {
    const run = temporaryFolder();
    mkdirSync(join(run, 'student'));
    writeFileSync(join(run, 'student/student.onnx'), denseNet([2], 'h'));
    await expect(exportRun(run, run, { formats: ['onnx'], isPreprocessed: true })).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(/^student\.onnx: it does not say what the student is fed; /),
    });
  });
});

/** Two linear layers over a vector, the first's answer under the name `hidden`. */
function denseNet([size]: readonly [number], hidden: string): Uint8Array {
  const weight = (name: string, shape: number[]) =>
    floats(
      name,
      shape,
      Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i + 1)),
    );
  return writeOnnx({
    operatorSets: new Map([['', 17]]),
    graph: {
      nodes: [
        { op: 'MatMul', inputs: ['x', 'first'], outputs: [hidden], attributes: {} },
        { op: 'MatMul', inputs: [hidden, 'second'], outputs: ['y'], attributes: {} },
      ],
      constants: [weight('first', [size, 4]), weight('second', [4, 3])],
      inputs: [{ name: 'x', type: 'float32', shape: ['n', size] }],
      outputs: [{ name: 'y', type: 'float32', shape: ['n', 3] }],
    },
  });
}

/** Students that are ONNX graphs: what is a weight, gradients, inference, exits and taps. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import type { GraphSpec } from '../../../../../shared/models/student-spec.js';
import { forInference } from '../../../../../worker/compute/onnx/inference.js';
import { withoutInitialisers, withoutValues, withValues } from '../../../../../worker/compute/onnx/initialisers.js';
import { floats, type OnnxConstant } from '../../../../../worker/compute/onnx/graph.js';
import { ownOperatorSets, writeOnnx } from '../../../../../worker/compute/onnx/write.js';
import { readOnnx } from '../../../../../worker/compute/onnx/read.js';
import { graphEngine } from '../../../../../worker/compute/student/graph/engine.js';
import { graphTapShapes } from '../../../../../worker/compute/student/graph/onnx-taps.js';
import { readOnnxStudent } from '../../../../../worker/compute/student/graph/read-student.js';
import { tfjsEngine } from '../../../../../worker/compute/student/tfjs/engine.js';
import { lossesAtStep } from '../../../../shared/losses/at-step.js';
import { checkSlopes, classes, gradientOf, make, noise, rows, step, type Made } from '../students.js';
import { convNet, type ConvNet } from './onnx-students.js';

const net: ConvNet = { sample: [2, 5, 4], classes };
const inputShape = [5, 4, 2];

function specOf(file: Uint8Array, exits?: string[]): { spec: GraphSpec; values: ReadonlyMap<string, Float32Array> } {
  const { bare, weights, values } = readOnnxStudent('net.onnx', file, new Map());
  return {
    values,
    spec: {
      engine: 'onnx',
      graph: {
        file: Buffer.from(bare).toString('base64'),
        inputs: [{ name: 'x', type: 'float32', feed: [2, 5, 4], isChannelsFirst: true }],
      },
      weights: [...weights],
      inputShape,
      classes,
      ...(exits === undefined ? {} : { exits }),
    },
  };
}

async function madeOf(more: Partial<ConvNet> = {}): Promise<Made> {
  const { spec, values } = specOf(convNet({ ...net, ...more }), more.hasExit === true ? ['early'] : undefined);
  return make(spec, values, { engine: graphEngine });
}

/** What onnxruntime gives for samples that are channels last. */
async function outputOf(file: Uint8Array, inputs: Float32Array): Promise<Float32Array> {
  const session = await InferenceSession.create(file, { intraOpNumThreads: 1 });
  const [height = 1, width = 1, channels = 1] = inputShape;
  const turned = new Float32Array(inputs.length);
  for (let row = 0; row < rows; row++)
    for (let p = 0; p < height * width; p++)
      for (let c = 0; c < channels; c++)
        turned[(row * channels + c) * height * width + p] = inputs[(row * height * width + p) * channels + c] ?? NaN;
  const { y } = await session.run({ x: new Tensor('float32', turned, [rows, channels, height, width]) });
  if (!(y?.data instanceof Float32Array)) throw new Error('no output');
  return y.data;
}

describe('a student that is an ONNX graph', () => {
  it('has its float initialisers for weights, and the moving values of batch norm by their momentum', () => {
    const { weights, isFolded } = readOnnxStudent('net.onnx', convNet(net), new Map());
    expect(weights.map(({ name, kind, momentum }) => [name, kind, momentum])).toEqual([
      ['conv.weight', 'trained', undefined],
      ['norm.weight', 'trained', undefined],
      ['norm.bias', 'trained', undefined],
      ['norm.running_mean', 'mean', Math.fround(0.8)],
      ['norm.running_var', 'variance', Math.fround(0.8)],
      ['fc.weight', 'trained', undefined],
      ['fc.bias', 'trained', undefined],
    ]);
    expect(isFolded).toBe(false);
  });

  it('tells that batch norm was folded away, by the names that exporters give then', () => {
    const folded = (kernel: string): boolean =>
      readOnnxStudent('net.onnx', convNet({ ...net, kernel, isNormed: false }), new Map()).isFolded;
    expect(folded('onnx::Conv_61')).toBe(true);
    expect(folded('conv.weight')).toBe(false);
  });

  it('is refused where an exporter has merged a weight with the moving mean of a batch norm', () => {
    const file = writeOnnx({
      operatorSets: ownOperatorSets,
      graph: {
        inputs: [{ name: 'x', type: 'float32', shape: ['n', 3] }],
        outputs: [{ name: 'y', type: 'float32', shape: ['n', 3] }],
        constants: [
          floats('norm.weight', [3], Float32Array.of(1, 1, 1)),
          floats('norm.bias', [3], Float32Array.of(0, 0, 0)),
          floats('norm.running_var', [3], Float32Array.of(1, 1, 1)),
        ],
        nodes: [
          {
            op: 'BatchNormalization',
            inputs: ['x', 'norm.weight', 'norm.bias', 'norm.bias', 'norm.running_var'],
            outputs: ['y'],
            attributes: {},
          },
        ],
      },
    });
    expect(() => readOnnxStudent('net.onnx', file, new Map())).toThrow(
      "student net.onnx: norm.bias is one initialiser for a batch norm's moving values and for weights",
    );
  });

  it('has the gradient that finite differences find, for every weight', async () => {
    await checkSlopes(await madeOf());
  });

  it('answers by the moving values, as the file does in inference, before and after it has learnt', async () => {
    const made = await madeOf({ ratio: 0.5 });
    const inputs = noise([rows, ...inputShape], 'inputs');
    const file = convNet({ ...net, ratio: 0.5 });
    const close = async (): Promise<void> => {
      const weights = made.replica.readWeights();
      const expected = await outputOf(forInference(withValues(file, weights)), inputs);
      const { logits } = await made.student.outputs(inputs, rows);
      logits.forEach((value, i) => expect(value).toBeCloseTo(expected[i] ?? NaN, 5));
    };
    await close();
    const { moments } = await gradientOf(made, { inputs });
    expect(moments?.counts).toEqual([rows * 20]);
    made.replica.weights.forEach((value, i) => (made.replica.weights[i] = value * 1.5));
    made.replica.moving.forEach((value, i) => (made.replica.moving[i] = value + 0.3));
    made.student.load(made.replica.weights, made.replica.frozen, made.replica.moving);
    await close();
  });

  it('has a gradient of its own for each of two weights that are added to the same value', async () => {
    const weight = (name: string, shape: number[]): OnnxConstant => floats(name, shape, noise(shape, name));
    const file = writeOnnx({
      operatorSets: ownOperatorSets,
      graph: {
        inputs: [{ name: 'x', type: 'float32', shape: ['n', 2, 5, 4] }],
        outputs: [{ name: 'y', type: 'float32', shape: ['n', classes] }],
        constants: [weight('w', [40, classes]), weight('a', [classes]), weight('b', [classes])],
        nodes: [
          { op: 'Flatten', inputs: ['x'], outputs: ['f'], attributes: {} },
          { op: 'MatMul', inputs: ['f', 'w'], outputs: ['m'], attributes: {} },
          { op: 'Add', inputs: ['m', 'a'], outputs: ['n'], attributes: {} },
          { op: 'Add', inputs: ['n', 'b'], outputs: ['y'], attributes: {} },
        ],
      },
    });
    const { spec, values } = specOf(file);
    await checkSlopes(await make(spec, values, { engine: graphEngine }));
  });

  it('drops by the key of the micro-batch', async () => {
    const made = await madeOf({ ratio: 0.5 });
    const under = async (key: number): Promise<Float32Array> =>
      (await gradientOf(made, { step: { ...step, dropoutKey: [key] } })).gradient;
    expect(await under(1)).toEqual(await under(1));
    expect(await under(1)).not.toEqual(await under(2));
  });

  it('gives its earlier outputs as exits, which learn apart', async () => {
    const made = await madeOf({ hasExit: true });
    const { exits, logits } = await made.student.outputs(noise([rows, ...inputShape], 'inputs'), rows);
    expect([[...exits.keys()], exits.get('early')?.length, logits.length]).toEqual([
      ['early'],
      rows * classes,
      rows * classes,
    ]);
    const losses = { exitCrossEntropy: { weight: 1, labelSmoothing: 0 } };
    const { gradient } = await gradientOf(made, {
      step: { ...step, losses: lossesAtStep(losses), divisors: { exitCrossEntropy: 4 } },
    });
    const moved = made.replica.plan.trained
      .filter(({ offset, size }) => gradient.subarray(offset, offset + size).some((value) => value !== 0))
      .map(({ spec }) => spec.name);
    expect(moved).toEqual(['conv.weight', 'norm.weight', 'norm.bias', 'exit.weight', 'exit.bias']);
  });

  it('has every value with a row for each sample as a tap, channels last', async () => {
    const taps = await graphTapShapes(specOf(convNet(net)).spec);
    expect(taps.filter(({ name }) => ['c', 'r', 'f', 'y', 'logits'].includes(name))).toEqual([
      { name: 'c', shape: [5, 4, 4] },
      { name: 'r', shape: [5, 4, 4] },
      { name: 'f', shape: [4] },
      { name: 'y', shape: [classes] },
      { name: 'logits', shape: [classes] },
    ]);
  });

  it('is computed by the compiled engine alone', async () => {
    const { spec, replica } = await madeOf();
    const definition = { spec, plan: replica.plan, losses: {}, plugins: new Map() };
    expect(graphEngine.objectionTo(definition)).toBeNull();
    expect(tfjsEngine.objectionTo(definition)).toMatch(/ONNX graph/);
  });
});

describe("an ONNX file's initialisers", () => {
  const file = convNet(net);

  it('can be taken out and put back without another byte changed', () => {
    const { bare, values } = readOnnxStudent('net.onnx', file, new Map());
    expect(bare.length).toBeLessThan(file.length);
    expect(Buffer.compare(withValues(bare, values), file)).toBe(0);
    expect(Buffer.compare(withoutValues(withValues(file, values), new Set(values.keys())), bare)).toBe(0);
  });

  it('take other values, or go altogether', () => {
    const value = Float32Array.of(1, 2, 3);
    const changed = readOnnx(withValues(file, new Map([['fc.bias', value]])));
    const bias = changed.graph.constants.find(({ name }) => name === 'fc.bias');
    expect(new Float32Array(new Uint8Array(bias?.bytes ?? []).buffer)).toEqual(value);
    const { graph } = readOnnx(withoutInitialisers(file, new Set(['fc.bias', 'ratio'])));
    expect(graph.constants.map(({ name }) => name)).not.toContain('fc.bias');
    expect(graph.nodes).toEqual(readOnnx(file).graph.nodes);
  });
});

describe('a model that was exported for training', () => {
  it('gives in inference what it gives of each row alone', async () => {
    const file = convNet({ ...net, ratio: 0.5 });
    const inputs = noise([rows, ...inputShape], 'inputs');
    const inference = forInference(file);
    expect(forInference(inference)).toBe(inference);
    const whole = await outputOf(inference, inputs);
    expect(await outputOf(inference, inputs)).toEqual(whole);
    const others = Float32Array.from(inputs);
    others.fill(0, inputs.length / rows);
    expect((await outputOf(inference, others)).slice(0, classes)).toEqual(whole.slice(0, classes));
    expect((await outputOf(file, others)).slice(0, classes)).not.toEqual(
      (await outputOf(file, inputs)).slice(0, classes),
    );
  });
});

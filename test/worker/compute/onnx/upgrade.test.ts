/** Graphs of older operator sets, brought to version 18: onnxruntime gives the same values of both. */
import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { floats, integers, type Attribute, type OnnxModel } from '../../../../worker/compute/onnx/graph.js';
import { readOnnx } from '../../../../worker/compute/onnx/read.js';
import { OldOnnx, upgradeOnnx } from '../../../../worker/compute/onnx/upgrade.js';
import { writeOnnx } from '../../../../worker/compute/onnx/write.js';
import { noise } from '../student/students.js';

interface Case {
  readonly version: number;
  readonly op: string;
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** Of the input x; absent: [2, 3, 4]. */
  readonly shape?: readonly number[];
  /** Inputs behind x, that are among the constants below. */
  readonly others?: readonly string[];
  readonly outputs?: number;
}

const constants = [
  ...['scale', 'bias', 'mean', 'variance'].map((name, i) => floats(name, [3], Float32Array.of(1 + i, 2, 0.5))),
  floats('low', [], Float32Array.of(-0.5)),
  integers('axes', [1], [1]),
  integers('parts', [2], [1, 3]),
];

const reductions = ['Mean', 'Max', 'Min', 'Prod', 'L1', 'L2', 'SumSquare', 'LogSumExp'].map((name) => `Reduce${name}`);
const cases: readonly Case[] = [
  { version: 11, op: 'Squeeze', shape: [2, 1, 3, 1], attributes: { axes: [1, -1] } },
  { version: 11, op: 'Squeeze', shape: [2, 1, 3, 1] },
  { version: 11, op: 'Unsqueeze', attributes: { axes: [0, 4] } },
  { version: 13, op: 'Squeeze', shape: [2, 1, 3], others: ['axes'] },
  { version: 11, op: 'ReduceSum', attributes: { axes: [0, -1], keepdims: 0 } },
  { version: 11, op: 'ReduceSum' },
  { version: 13, op: 'ReduceSum', others: ['axes'] },
  ...reductions.flatMap((op) => [
    { version: 11, op, attributes: { axes: [1], keepdims: 0 } },
    { version: 13, op, attributes: { axes: [-1, 0] } },
    { version: 17, op, attributes: { keepdims: 0 } },
  ]),
  { version: 11, op: 'ReduceLogSum', shape: [1, 1], attributes: { axes: [1] } },
  { version: 11, op: 'Split', attributes: { axis: -1, split: [1, 3] }, outputs: 2 },
  { version: 11, op: 'Split', attributes: { axis: 2 }, outputs: 2 },
  { version: 13, op: 'Split', attributes: { axis: 2 }, others: ['parts'], outputs: 2 },
  { version: 13, op: 'Split', attributes: { axis: 1 }, outputs: 3 },
  ...['Softmax', 'LogSoftmax', 'Hardmax'].flatMap((op) => [
    { version: 11, op },
    { version: 11, op, attributes: { axis: 2 } },
    { version: 11, op, attributes: { axis: 0 } },
    { version: 11, op, attributes: { axis: -1 } },
    { version: 13, op, attributes: { axis: 1 } },
    { version: 13, op },
  ]),
  { version: 11, op: 'BatchNormalization', others: ['scale', 'bias', 'mean', 'variance'] },
  { version: 13, op: 'BatchNormalization', others: ['scale', 'bias', 'mean', 'variance'] },
  { version: 11, op: 'Dropout', attributes: { ratio: { float: 0.25 } } },
  { version: 13, op: 'Dropout' },
  { version: 11, op: 'Clip', others: ['low'] },
];

function modelOf({ version, op, attributes = {}, shape = [2, 3, 4], others = [], outputs = 1 }: Case): OnnxModel {
  const names = Array.from({ length: outputs }, (_, i) => `y${i}`);
  return {
    operatorSets: new Map([['', version]]),
    graph: {
      nodes: [{ op, inputs: ['x', ...others], outputs: names, attributes }],
      constants: constants.filter(({ name }) => others.includes(name)),
      inputs: [{ name: 'x', type: 'float32', shape }],
      outputs: names.map((name) => ({ name })),
    },
  };
}

/** By the nodes as they are: what onnxruntime fuses depends on the operator set, and changes last digits. */
async function valuesOf(model: OnnxModel, x: Tensor): Promise<[string, readonly number[], unknown][]> {
  const session = await InferenceSession.create(writeOnnx(model), {
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
    graphOptimizationLevel: 'disabled',
  });
  const results = await session.run({ x });
  await session.release();
  return Object.entries(results).map(([name, { dims, data }]) => [name, dims, data]);
}

async function expectSame(model: OnnxModel, x: Tensor): Promise<void> {
  const upgraded = upgradeOnnx(model);
  expect(upgraded.operatorSets.get('')).toBe(18);
  expect(await valuesOf(upgraded, x)).toEqual(await valuesOf(model, x));
}

const upgraded = (one: Case): OnnxModel['graph'] => upgradeOnnx(modelOf(one)).graph;

describe('a graph of an older operator set gives the same when it is brought to a newer one', () => {
  it.each(cases.map((one) => [`${one.op}-${one.version} ${JSON.stringify(one.attributes ?? {})}`, one] as const))(
    '%s',
    async (_, one) => {
      const shape = one.shape ?? [2, 3, 4];
      await expectSame(modelOf(one), new Tensor('float32', noise(shape, 'x'), shape));
    },
  );

  it.each(['vit', 'convnext', 'exits', 'bert'].flatMap((name) => [11, 13, 17].map((set) => `${name}-${set}.onnx`)))(
    'as PyTorch exported it: %s',
    async (file) => {
      const folder = new URL('../../../reference/data/networks/', import.meta.url);
      const model = readOnnx(readFileSync(new URL(file, folder)));
      const [input] = model.graph.inputs;
      const shape = (input?.shape ?? []).map(Number);
      const x =
        input?.type === 'int64'
          ? new Tensor('int64', BigInt64Array.of(3n, 1n, 4n, 1n, 5n, 9n, 2n, 6n, 5n, 0n, 0n, 0n), shape)
          : new Tensor('float32', noise(shape, 'x'), shape);
      await expectSame(model, x);
    },
  );
});

describe('bringing a graph to a newer operator set', () => {
  it('says that a batch norm was in training, which only its outputs told', () => {
    const others = ['scale', 'bias', 'mean', 'variance'];
    const attributes = { momentum: { float: 0.9 } };
    expect(upgraded({ version: 13, op: 'BatchNormalization', others, attributes, outputs: 5 }).nodes).toEqual([
      {
        op: 'BatchNormalization',
        inputs: ['x', ...others],
        outputs: ['y0', 'y1', 'y2'],
        attributes: { ...attributes, training_mode: 1 },
      },
    ]);
  });

  it('keeps the share that a Dropout leaves out', () => {
    for (const [attributes, share] of [
      [{ ratio: { float: 0.25 } }, 0.25],
      [{}, 0.5],
    ] as const) {
      const { nodes, constants: made } = upgraded({ version: 11, op: 'Dropout', attributes });
      expect(nodes[0]?.inputs).toEqual(['x', 'upgrade.0']);
      expect(made).toEqual([floats('upgrade.0', [], Float32Array.of(share))]);
    }
  });

  it('changes nothing of newer ones, nor of nodes of other sets', () => {
    const newer = modelOf({ version: 21, op: 'Relu' });
    expect(upgradeOnnx(newer)).toBe(newer);
    const model = modelOf({ version: 11, op: 'Squeeze', attributes: { axes: [1] } });
    const nodes = model.graph.nodes.map((node) => ({ ...node, domain: 'own' }));
    expect(upgradeOnnx({ ...model, graph: { ...model.graph, nodes } }).graph.nodes).toEqual(nodes);
  });

  it('refuses one that is too old', () => {
    expect(() => upgradeOnnx(modelOf({ version: 10, op: 'Relu' }))).toThrow(
      new OldOnnx('operator set 10; 11 or later wanted'),
    );
  });
});

/** What of a frozen TensorFlow graph cannot be written as ONNX, and how that is said. */
import { describe, expect, it } from 'vitest';
import { NoOnnxForm } from '../../../../worker/compute/onnx/no-onnx-form.js';
import { pathTo, writeTensorFlow, type WrittenGraph } from '../../../../worker/compute/onnx/tensorflow/graph.js';
import { tensorFlowNodesSchema, type KnownTensor } from '../../../../worker/compute/onnx/tensorflow/node.js';

const text = (value: string): object => ({ s: Buffer.from(value).toString('base64') });
const placeholder = { name: 'x', op: 'Placeholder', input: [], attr: {} };
const kernel: KnownTensor = { type: 'float32', shape: [1, 1, 2, 2], values: new Float32Array(4) };
const axis: KnownTensor = { type: 'int64', shape: [], values: Float32Array.of(0) };

/** The graph `y = op(x, ...)`, with the constants that are given as further inputs. */
function write(op: string, input: readonly string[], attr: object = {}): WrittenGraph {
  const consts = ['kernel', 'axis'].map((name) => ({ name, op: 'Const', input: [], attr: {} }));
  const nodes = tensorFlowNodesSchema.parse([placeholder, ...consts, { name: 'y', op, input, attr }]);
  return writeTensorFlow(
    {
      nodes: new Map(nodes.map((node) => [node.name, node])),
      constants: new Map([
        ['kernel', kernel],
        ['axis', axis],
      ]),
      input: 'x',
      isWhole: false,
      output: 'y',
    },
    'input',
  );
}

describe('a frozen graph', () => {
  it.each([
    ['Cumprod', ['x', 'axis'], {}, 'operators of this type cannot be written as ONNX'],
    ['Conv2D', ['x', 'x'], {}, 'its kernel is no constant'],
    ['Conv2D', ['x', 'kernel'], { data_format: text('NCHW') }, 'its data_format is NCHW; NHWC was wanted for ONNX'],
    ['Mean', ['x', 'x'], {}, 'its axes is no constant'],
    ['GatherV2', ['x', 'x', 'axis'], { batch_dims: { i: '1' } }, 'its batch_dims is not 0'],
    ['MirrorPad', ['x', 'axis'], { mode: text('SYMMETRIC') }, 'its mode is SYMMETRIC; REFLECT was wanted for ONNX'],
    [
      'StridedSlice',
      ['x', 'axis', 'axis', 'axis'],
      { new_axis_mask: { i: '1' } },
      'new axes cannot be written as ONNX',
    ],
    ['Cast', ['x'], { DstT: { type: 'DT_STRING' } }, 'elements of DT_STRING cannot be written as ONNX'],
    [
      'FusedBatchNormV3',
      ['x', 'axis', 'axis', 'axis', 'axis'],
      { is_training: { b: true } },
      "it takes its samples' own moments",
    ],
    [
      '_FusedMatMul',
      ['x', 'kernel'],
      { fused_ops: { list: { s: [text('Gelu')].map((one) => Object.values(one)[0]) } } },
      'its activation Gelu cannot be written as ONNX',
    ],
    ['Placeholder', [], {}, 'operators of this type cannot be written as ONNX'],
  ] as const)('refuses %s of %j with %j, naming the node', (op, input, attr, why) => {
    expect(() => write(op, input, attr)).toThrow(NoOnnxForm);
    expect(() => write(op, input, attr)).toThrow(`node y (${op}): ${why};`);
  });

  it('takes texts as bytes, too', () => {
    const bytes = { s: [...Buffer.from('NCHW')] };
    expect(() => write('Conv2D', ['x', 'kernel'], { data_format: bytes })).toThrow('its data_format is NCHW');
  });

  it('leaves out what the output does not follow from', () => {
    const { builder } = write('Tanh', ['x', '^kernel']);
    expect(builder.nodes.map(({ op }) => op)).toEqual(['Tanh']);
    expect(builder.constants).toEqual([]);
  });
});

describe('the path to a value', () => {
  it('has each node after those that it follows from, once, and stops where it is told', () => {
    const inputs: Readonly<Record<string, string[]>> = { d: ['b:1', '^c'], b: ['a'], c: ['a', 'x'], a: [] };
    expect(pathTo('d:0', (name) => inputs[name] ?? null)).toEqual(['a', 'b', 'c', 'd']);
  });
});

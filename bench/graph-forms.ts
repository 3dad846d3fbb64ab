/**
 * Milliseconds of the forms that the gradients of convolutions have, beside each other on one thread, at shapes of small
 * students; and of pools and batch norm, forward and backward. The form that the compiled engine takes is marked.
 *
 *   node dist/bench/graph-forms.js [WORD in a line's title]
 */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { must, mustAt } from '../shared/must.js';
import { elementsIn } from '../shared/shape.js';
import type { Attribute, OnnxModel } from '../worker/compute/onnx/graph.js';
import { writeOnnx } from '../worker/compute/onnx/write.js';
import { deviceForms } from '../worker/compute/student/graph/device-forms.js';
import { differentiate } from '../worker/compute/student/graph/differentiate.js';
import { fixGraph } from '../worker/compute/student/graph/fixed-graph.js';
import { blockedDomain } from '../worker/compute/student/graph/gradient/blocked.js';
import { weightForm, weightForms, type WeightForm } from '../worker/compute/student/graph/gradient/weight-gradient.js';
import type { Window } from '../worker/compute/student/graph/gradient/windows.js';
import { GraphWriter } from '../worker/compute/student/graph/gradient/writer.js';
import { inputForm, inputForms, type Convolution } from '../worker/compute/student/graph/operators/convolution.js';

const repetitions = 40;
const { block } = await deviceForms();
const operatorSets = new Map([['', 18], ['com.microsoft', 1], ...(block > 1 ? [[blockedDomain, 1] as const] : [])]);

type Shape = Omit<Convolution, 'write' | 'x' | 'dy' | 'weights'>;

interface Square {
  readonly rows: number;
  readonly channels: readonly [number, number];
  /** Length of the input. */
  readonly length: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly groups?: number;
}

function shapeOf({ rows, channels: [inputs, outputs], length, kernel, stride = 1, groups = 1 }: Square): Shape {
  const pad = Math.floor(kernel / 2);
  const output = Math.floor((length + 2 * pad - kernel) / stride) + 1;
  const both = (n: number): number[] => [n, n];
  const window: Window = {
    kernel: both(kernel),
    input: both(length),
    output: both(output),
    strides: both(stride),
    dilations: both(1),
    before: both(pad),
    behind: both(pad),
  };
  return { rows, inputs, outputs, groups, window, block };
}

const threes: readonly (readonly [readonly [number, number], number])[] = [
  [[1, 8], 28],
  [[8, 16], 14],
  [[3, 16], 32],
  [[16, 16], 32],
  [[32, 32], 16],
  [[64, 64], 8],
];
const dense: readonly Square[] = [16, 32].flatMap((rows) => [
  ...threes.map(([channels, length]) => ({ rows, channels, length, kernel: 3 })),
  { rows, channels: [16, 32], length: 32, kernel: 3, stride: 2 },
  { rows, channels: [16, 64], length: 16, kernel: 1 },
]);
const depthwise: readonly Square[] = (
  [
    [16, 32, 3, 1],
    [72, 16, 3, 1],
    [96, 16, 3, 2],
    [96, 8, 5, 1],
    [32, 16, 7, 1],
  ] as const
).map(([channels, length, kernel, stride]) => ({
  rows: 16,
  channels: [channels, channels],
  length,
  kernel,
  stride,
  groups: channels,
}));

function titleOf({ rows, channels: [from, to], length, kernel, stride = 1, groups = 1 }: Square): string {
  const by = groups > 1 ? ` in ${groups} groups` : '';
  return `${rows} rows, ${from} to ${to} channels${by}, ${length} x ${length}, kernel ${kernel}, stride ${stride}`;
}

interface Measured {
  readonly form: string;
  readonly isTaken: boolean;
  readonly model: OnnxModel;
}

/** The least of many runs of each, in turn. */
async function time(title: string, all: readonly Measured[]): Promise<void> {
  const open = await Promise.all(
    all.map(async (one) => {
      const session = await InferenceSession.create(writeOnnx(one.model), {
        intraOpNumThreads: 1,
        logSeverityLevel: 3,
      });
      const feeds = Object.fromEntries(
        one.model.graph.inputs.map(({ name, shape = [] }) => [name, filled(shape.map(Number))]),
      );
      return { ...one, session, feeds, ms: Infinity };
    }),
  );
  for (let i = 0; i < repetitions; i++)
    for (const one of open) {
      const start = performance.now();
      await one.session.run(one.feeds);
      one.ms = Math.min(one.ms, performance.now() - start);
    }
  const forms = open.map(({ form, isTaken, ms }) => `${form}${isTaken ? '*' : ''} ${ms.toFixed(2)}`);
  process.stdout.write(`${title}: ${forms.join(', ')}\n`);
  for (const { session } of open) await session.release();
}

function filled(shape: readonly number[]): Tensor {
  return new Tensor(
    'float32',
    Float32Array.from({ length: elementsIn(shape) }, (_, i) => Math.sin(i * 12.9898)),
    shape,
  );
}

function modelOf(shape: Shape, write: (given: Convolution) => string): OnnxModel {
  const writer = new GraphWriter('g.');
  const output = write({ ...shape, write: writer, x: 'x', dy: 'dy', weights: 'w' });
  const { rows, inputs, outputs, groups, window } = shape;
  const all = [
    { name: 'x', type: 'float32', shape: [rows, inputs, ...window.input] },
    { name: 'dy', type: 'float32', shape: [rows, outputs, ...window.output] },
    { name: 'w', type: 'float32', shape: [outputs, inputs / groups, ...window.kernel] },
  ] as const;
  const taken = new Set(writer.nodes.flatMap(({ inputs: names }) => names));
  return {
    operatorSets,
    graph: {
      nodes: writer.nodes,
      constants: writer.constants,
      inputs: all.filter(({ name }) => taken.has(name)),
      outputs: [{ name: output }],
    },
  };
}

/** The forms that can be written for a shape. */
function formsFor({ groups, window }: Shape): WeightForm[] {
  const whole: WeightForm[] = window.strides.every((s) => s === 1) ? ['products', 'folded products'] : [];
  return groups > 1 ? ['columns', 'by channel'] : ['columns', ...whole];
}

async function convolutions(word: string): Promise<void> {
  for (const one of [...dense, ...depthwise]) {
    const shape = shapeOf(one);
    const weights = `weight gradient, ${titleOf(one)}`;
    const inputs = `input gradient, ${titleOf(one)}`;
    if (weights.includes(word))
      await time(
        weights,
        formsFor(shape).map((form) => ({
          form,
          isTaken: form === weightForm(shape),
          model: modelOf(shape, weightForms[form]),
        })),
      );
    if (inputs.includes(word) && mustAt(shape.window.strides, 0) === 1)
      await time(
        inputs,
        (
          ['transposed', 'turned kernel', ...(inputForm(shape) === 'blocked' ? (['blocked'] as const) : [])] as const
        ).map((form) => ({
          form,
          isTaken: form === inputForm(shape),
          model: modelOf(shape, inputForms[form]),
        })),
      );
  }
}

interface Layer {
  readonly op: string;
  readonly shape: readonly number[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

const layers: readonly Layer[] = [
  { op: 'MaxPool', shape: [16, 8, 28, 28], attributes: { kernel_shape: [2, 2], strides: [2, 2] } },
  { op: 'MaxPool', shape: [16, 16, 14, 14], attributes: { kernel_shape: [2, 2], strides: [2, 2] } },
  { op: 'MaxPool', shape: [16, 16, 32, 32], attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] } },
  { op: 'AveragePool', shape: [16, 16, 32, 32], attributes: { kernel_shape: [2, 2], strides: [2, 2] } },
  { op: 'AveragePool', shape: [16, 16, 32, 32], attributes: { kernel_shape: [3, 3], strides: [2, 2] } },
  { op: 'BatchNormalization', shape: [16, 16, 32, 32], attributes: { training_mode: 1, momentum: { float: 0 } } },
  { op: 'BatchNormalization', shape: [16, 64, 8, 8], attributes: { training_mode: 1, momentum: { float: 0 } } },
];

/** Forward alone, and with its backward. */
async function layerModels({ op, shape, attributes }: Layer): Promise<Measured[]> {
  const channels = op === 'BatchNormalization' ? ['scale', 'bias', 'mean', 'variance'] : [];
  const outputs = op === 'BatchNormalization' ? ['y', 'moment', 'spread'] : ['y'];
  const given = new Map([
    ['x', { type: 'float32', shape } as const],
    ...channels.map((name) => [name, { type: 'float32', shape: [mustAt(shape, 1)] } as const] as const),
  ]);
  const nodes = [{ op, inputs: ['x', ...channels], outputs, attributes }];
  const graph = { nodes, constants: [], inputs: [], outputs: [{ name: 'y' }] };
  const fixed = await fixGraph({ operatorSets, graph }, given);
  const wanted = new Set(['x', ...channels.slice(0, 2)]);
  const backward = differentiate(fixed, new Map([['y', 'dy']]), wanted);
  const inputs = [...given].map(([name, value]) => ({ name, ...value }));
  const both = {
    nodes: [...nodes, ...backward.nodes],
    constants: backward.constants,
    inputs: [...inputs, { name: 'dy', ...must(fixed.known, 'y') }],
    outputs: [{ name: 'y' }, ...[...backward.gradients.values()].map((name) => ({ name }))],
  };
  return [
    { form: 'forward', isTaken: false, model: { operatorSets, graph: { ...graph, inputs } } },
    { form: 'forward and backward', isTaken: false, model: { operatorSets, graph: both } },
  ];
}

const [word = ''] = process.argv.slice(2);
await convolutions(word);
for (const layer of layers) {
  const title = `${layer.op} [${layer.shape.join(', ')}], kernel ${JSON.stringify(layer.attributes.kernel_shape ?? null)}`;
  if (title.includes(word)) await time(title, await layerModels(layer));
}

/** Students as ONNX files, as PyTorch writes them: channels first, names of modules, batch norm and dropout in training. */
import { floats, type OnnxModel, type OnnxNode } from '../../../../../worker/compute/onnx/graph.js';
import { writeOnnx } from '../../../../../worker/compute/onnx/write.js';
import { noise } from '../students.js';

export interface ConvNet {
  /** One sample's shape, channels first. */
  readonly sample: readonly [number, number, number];
  readonly classes: number;
  /** The number of rows that the file insists on; default: any. */
  readonly rows?: number;
  /** Whether a first output is an earlier exit. */
  readonly hasExit?: boolean;
  readonly ratio?: number;
  /** Names of the convolution's weights; default: those of a module. */
  readonly kernel?: string;
  readonly isNormed?: boolean;
}

const width = 4;

/** Convolution, batch norm, ReLU, mean over the places, dropout, linear. */
export function convNet(net: ConvNet): Uint8Array {
  const { sample, classes, rows, hasExit = false, ratio = 0, kernel = 'conv.weight', isNormed = true } = net;
  const [channels] = sample;
  const norm: OnnxNode = {
    op: 'BatchNormalization',
    name: '/norm/BatchNormalization',
    inputs: ['c', 'norm.weight', 'norm.bias', 'norm.running_mean', 'norm.running_var'],
    outputs: ['n', 'n_mean', 'n_var'],
    attributes: { epsilon: { float: 1e-5 }, momentum: { float: 0.8 }, training_mode: 1 },
  };
  const nodes: OnnxNode[] = [
    { op: 'Conv', name: '/conv/Conv', inputs: ['x', kernel], outputs: ['c'], attributes: { pads: [1, 1, 1, 1] } },
    ...(isNormed ? [norm] : []),
    { op: 'Relu', name: '/Relu', inputs: [isNormed ? 'n' : 'c'], outputs: ['r'], attributes: {} },
    { op: 'GlobalAveragePool', inputs: ['r'], outputs: ['g'], attributes: {} },
    { op: 'Flatten', inputs: ['g'], outputs: ['f'], attributes: { axis: 1 } },
    { op: 'Dropout', name: '/drop/Dropout', inputs: ['f', 'ratio', 'training'], outputs: ['d'], attributes: {} },
    { op: 'Gemm', inputs: ['d', 'fc.weight', 'fc.bias'], outputs: ['y'], attributes: { transB: 1 } },
    ...(hasExit
      ? [{ op: 'Gemm', inputs: ['f', 'exit.weight', 'exit.bias'], outputs: ['early'], attributes: { transB: 1 } }]
      : []),
  ];
  const weight = (name: string, shape: number[], change = (u: number): number => u) =>
    floats(name, shape, noise(shape, name).map(change));
  const model: OnnxModel = {
    operatorSets: new Map([['', 17]]),
    graph: {
      nodes,
      inputs: [{ name: 'x', type: 'float32', shape: [rows ?? 'n', ...sample] }],
      outputs: [...(hasExit ? ['early'] : []), 'y'].map((name) => ({
        name,
        type: 'float32',
        shape: [rows ?? 'n', classes],
      })),
      constants: [
        weight(kernel, [width, channels, 3, 3]),
        ...(isNormed
          ? [
              weight('norm.weight', [width], (u) => 1 + u / 2),
              weight('norm.bias', [width]),
              weight('norm.running_mean', [width], () => 0),
              weight('norm.running_var', [width], () => 1),
            ]
          : []),
        weight('fc.weight', [classes, width]),
        weight('fc.bias', [classes]),
        ...(hasExit ? [weight('exit.weight', [classes, width]), weight('exit.bias', [classes])] : []),
        floats('ratio', [], Float32Array.of(ratio)),
        { name: 'training', type: 'bool', shape: [], bytes: Uint8Array.of(1) },
      ],
    },
  };
  return writeOnnx(model);
}

/** Activations as ONNX nodes: those of layers, and the names that recurrent nodes take. */
import type { LayerJson } from '../../../../shared/models/topology.js';
import { refusal, type OnnxBuilder } from './builder.js';

/** ONNX operators by tfjs' names without underscores. HardSigmoid's own alpha and beta are tfjs' 0.2 and 0.5. */
const operators: Readonly<Record<string, string>> = {
  relu: 'Relu',
  sigmoid: 'Sigmoid',
  tanh: 'Tanh',
  elu: 'Elu',
  selu: 'Selu',
  softplus: 'Softplus',
  softsign: 'Softsign',
  hardsigmoid: 'HardSigmoid',
};

function keyOf(activation: unknown): string {
  const name: unknown = activation ?? 'linear';
  return String(name).replaceAll('_', '').toLowerCase();
}

/** @throws UserError 65 for one that ONNX has no node for */
export function activated(b: OnnxBuilder, layer: LayerJson, x: string): string {
  const key = keyOf(layer.config.activation);
  const op = Object.hasOwn(operators, key) ? operators[key] : undefined;
  if (op !== undefined) return b.node(op, [x]);
  switch (key) {
    case 'linear':
      return x;
    case 'relu6':
      return b.node('Clip', [x, b.scalar(0), b.scalar(6)]);
    case 'softmax':
      return b.node('Softmax', [x], { axis: -1 });
    case 'logsoftmax':
      return b.node('LogSoftmax', [x], { axis: -1 });
    case 'swish':
      return b.node('Mul', [x, b.node('Sigmoid', [x])]);
    case 'mish':
      return b.node('Mul', [x, b.node('Tanh', [b.node('Softplus', [x])])]);
    case 'gelu':
      return gated(b, x, b.node('Erf', [b.node('Mul', [x, b.scalar(Math.SQRT1_2)])]));
    case 'gelunew':
      return gated(
        b,
        x,
        b.node('Tanh', [
          b.node('Mul', [
            b.scalar(Math.sqrt(2 / Math.PI)),
            b.node('Add', [x, b.node('Mul', [b.scalar(0.044715), b.node('Pow', [x, b.scalar(3)])])]),
          ]),
        ]),
      );
    default:
      throw refusal(layer, `activation ${String(layer.config.activation)} cannot be written as ONNX`);
  }
}

/** x * (1 + gate) / 2. */
function gated(b: OnnxBuilder, x: string, gate: string): string {
  return b.node('Mul', [x, b.node('Mul', [b.scalar(0.5), b.node('Add', [b.scalar(1), gate])])]);
}

/** An activation as recurrent nodes name it, with its alpha and beta, for those that have some. */
export interface RecurrentActivation {
  readonly op: string;
  readonly alpha: number;
  readonly beta: number;
}

/** `Affine` with alpha 1 and beta 0 leaves its input as it is. */
export function recurrentActivation(layer: LayerJson, key: 'activation' | 'recurrent_activation'): RecurrentActivation {
  const name = keyOf(layer.config[key]);
  const op = name === 'linear' ? 'Affine' : Object.hasOwn(operators, name) ? operators[name] : undefined;
  if (op === undefined || op === 'Selu')
    throw refusal(layer, `${key} ${String(layer.config[key])} cannot be written as ONNX`);
  return { op, ...(op === 'HardSigmoid' ? { alpha: 0.2, beta: 0.5 } : { alpha: 1, beta: 0 }) };
}

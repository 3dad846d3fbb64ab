/** Operators that look at each number by itself, and those that join numbers at the same place. */
import type { NodeWriter, WriteNode } from './node.js';

/** ONNX' names of operators of one value. */
const unary: Readonly<Record<string, string>> = {
  Identity: 'Identity',
  StopGradient: 'Identity',
  Snapshot: 'Identity',
  Abs: 'Abs',
  Neg: 'Neg',
  Exp: 'Exp',
  Log: 'Log',
  Sqrt: 'Sqrt',
  Reciprocal: 'Reciprocal',
  Sin: 'Sin',
  Cos: 'Cos',
  Tan: 'Tan',
  Asin: 'Asin',
  Acos: 'Acos',
  Atan: 'Atan',
  Sinh: 'Sinh',
  Cosh: 'Cosh',
  Asinh: 'Asinh',
  Erf: 'Erf',
  Floor: 'Floor',
  Ceil: 'Ceil',
  Round: 'Round',
  Sign: 'Sign',
  Relu: 'Relu',
  Elu: 'Elu',
  Selu: 'Selu',
  Sigmoid: 'Sigmoid',
  Tanh: 'Tanh',
  Softplus: 'Softplus',
  LogicalNot: 'Not',
};

/** ONNX' names of operators of two values and more, with broadcasting. */
const joining: Readonly<Record<string, string>> = {
  Add: 'Add',
  AddV2: 'Add',
  BiasAdd: 'Add',
  Sub: 'Sub',
  Mul: 'Mul',
  RealDiv: 'Div',
  Div: 'Div',
  Pow: 'Pow',
  Maximum: 'Max',
  Minimum: 'Min',
  AddN: 'Sum',
  Greater: 'Greater',
  GreaterEqual: 'GreaterOrEqual',
  Less: 'Less',
  LessEqual: 'LessOrEqual',
  Equal: 'Equal',
  LogicalAnd: 'And',
  LogicalOr: 'Or',
  SelectV2: 'Where',
  Prelu: 'PRelu',
};

const types: Readonly<Record<string, number>> = { DT_FLOAT: 1, DT_INT32: 7, DT_INT64: 7, DT_BOOL: 9 };

/** Activations that fused nodes name, of a value that is not an input of theirs. */
export function activated(n: NodeWriter, x: string, name: string): string {
  switch (name) {
    case 'Relu6':
      return n.b.node('Clip', [x, n.b.scalar(0), n.b.scalar(6)]);
    case 'LeakyRelu':
      return n.b.node('LeakyRelu', [x], { alpha: { float: n.number('leakyrelu_alpha', n.number('alpha', 0.2)) } });
    case 'Relu':
    case 'Elu':
    case 'Sigmoid':
    case 'Tanh':
      return n.b.node(name, [x]);
    default:
      throw n.refusal(`its activation ${name} cannot be written as ONNX`);
  }
}

const computed: Readonly<Record<string, WriteNode>> = {
  Relu6: (n) => activated(n, n.input(0), 'Relu6'),
  LeakyRelu: (n) => activated(n, n.input(0), 'LeakyRelu'),
  Rsqrt: (n) => n.b.node('Reciprocal', [n.b.node('Sqrt', [n.input(0)])]),
  Square: (n) => {
    const x = n.input(0);
    return n.b.node('Mul', [x, x]);
  },
  SquaredDifference: (n) => {
    const off = n.b.node('Sub', [n.input(0), n.input(1)]);
    return n.b.node('Mul', [off, off]);
  },
  NotEqual: (n) => n.b.node('Not', [n.b.node('Equal', n.inputs)]),
  FloorDiv: (n) => {
    const ratio = n.b.node('Div', n.inputs);
    return n.type('T') === 'DT_FLOAT' ? n.b.node('Floor', [ratio]) : ratio;
  },
  ClipByValue: (n) => n.b.node('Clip', n.inputs),
  Softmax: (n) => n.b.node('Softmax', [n.input(0)], { axis: -1 }),
  LogSoftmax: (n) => n.b.node('LogSoftmax', [n.input(0)], { axis: -1 }),
  Cast: (n) => {
    const to = types[n.type('DstT')];
    if (to === undefined) throw n.refusal(`elements of ${n.type('DstT')} cannot be written as ONNX`);
    return n.b.node('Cast', [n.input(0)], { to });
  },
};

const named = (names: Readonly<Record<string, string>>): Record<string, WriteNode> =>
  Object.fromEntries(
    Object.entries(names).map(([op, name]): [string, WriteNode] => [op, (n) => n.b.node(name, n.inputs)]),
  );

/** By TensorFlow's name. */
export const elementwise: Readonly<Record<string, WriteNode>> = { ...named(unary), ...named(joining), ...computed };

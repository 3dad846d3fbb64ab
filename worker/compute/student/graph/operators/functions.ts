/**
 * Functions of one number, element by element: each line gives dy times the function's derivative, by its input x or its
 * output y.
 */
import { floatOr, gradientOf, inputOf, textOr, type BackwardNode, type Operator } from '../gradient/operator.js';
import type { GraphWriter } from '../gradient/writer.js';

interface Point {
  readonly x: string;
  readonly y: string;
  readonly dy: string;
  readonly write: GraphWriter;
  readonly backward: BackwardNode;
}

function elementwise(op: string, gradient: (point: Point) => string): Operator {
  return {
    op,
    gradient: (backward) => {
      const { node, write } = backward;
      return [
        gradient({ x: inputOf(backward, 0), y: node.outputs[0] ?? '', dy: gradientOf(backward), write, backward }),
      ];
    },
  };
}

/**
 * 1 where x > 0, else 0, as float32. HardSigmoid with a steep slope is 1 for every x above its reciprocal and one pass
 * over memory; comparing and casting are three.
 */
export function isPositive(write: GraphWriter, x: string): string {
  return write.node('HardSigmoid', [x], { alpha: { float: steep }, beta: { float: 0 } });
}

/** Its reciprocal is below every value that is not denormal. */
const steep = 3e38;

/** y (1 - y), for what is y's derivative by the input of a sigmoid. */
function logistic(write: GraphWriter, y: string): string {
  return write.node('Mul', [y, write.node('Sub', [write.scalar(1), y])]);
}

const times = (write: GraphWriter, ...factors: readonly string[]): string => {
  const [first = '', ...others] = factors;
  return others.reduce((product, factor) => write.node('Mul', [product, factor]), first);
};

/** The density of the standard normal distribution at x, times `factor`. */
function normalDensity(write: GraphWriter, x: string): string {
  const square = write.node('Mul', [x, x]);
  const power = write.node('Exp', [write.node('Mul', [square, write.scalar(-0.5)])]);
  return write.node('Mul', [power, write.scalar(1 / Math.sqrt(2 * Math.PI))]);
}

/** Its derivative for negative x is the slope that y tells: alpha e^x = y + alpha. */
function elu({ x, y, dy, write, backward }: Point): string {
  const alpha = floatOr(backward.node, 'alpha', 1);
  const below = write.node('Add', [write.node('Min', [y, write.scalar(0)]), write.scalar(alpha)]);
  const positive = isPositive(write, x);
  // Above 0 `below` is alpha, and has to be 1.
  const slope = write.node('Add', [below, write.node('Mul', [positive, write.scalar(1 - alpha)])]);
  return times(write, dy, slope);
}

function selu({ x, y, dy, write, backward }: Point): string {
  const alpha = floatOr(backward.node, 'alpha', 1.6732632423543772);
  const gamma = floatOr(backward.node, 'gamma', 1.0507009873554805);
  const below = write.node('Add', [write.node('Min', [y, write.scalar(0)]), write.scalar(alpha * gamma)]);
  const slope = write.node('Add', [
    below,
    write.node('Mul', [isPositive(write, x), write.scalar(gamma - alpha * gamma)]),
  ]);
  return times(write, dy, slope);
}

/** d/dx x Phi(x) = Phi(x) + x phi(x), or of the form with tanh (Hendrycks and Gimpel, 2016). */
function gelu({ x, dy, write, backward }: Point): string {
  const one = write.scalar(1);
  const half = write.scalar(0.5);
  if (textOr(backward.node, 'approximate', 'none') === 'none') {
    const phi = write.node('Erf', [write.node('Mul', [x, write.scalar(Math.SQRT1_2)])]);
    const share = write.node('Mul', [write.node('Add', [phi, one]), half]);
    return times(write, dy, write.node('Add', [share, times(write, x, normalDensity(write, x))]));
  }
  const c = Math.sqrt(2 / Math.PI);
  const square = write.node('Mul', [x, x]);
  const bracket = write.node('Add', [write.node('Mul', [square, write.scalar(c * 0.044715)]), write.scalar(c)]);
  const t = write.node('Tanh', [write.node('Mul', [x, bracket])]);
  const inner = write.node('Add', [write.node('Mul', [square, write.scalar(3 * c * 0.044715)]), write.scalar(c)]);
  const sech = write.node('Sub', [one, write.node('Mul', [t, t])]);
  const slope = write.node('Add', [write.node('Add', [t, one]), times(write, x, sech, inner)]);
  return times(write, dy, slope, half);
}

/** x between the limits takes the gradient; at a limit it does not, as in PyTorch's ReLU6 and hardtanh. */
function clip({ y, dy, write, backward }: Point): string {
  const [, low = '', high = ''] = backward.node.inputs;
  const above = low === '' ? [] : [isPositive(write, write.node('Sub', [y, low]))];
  const below = high === '' ? [] : [isPositive(write, write.node('Sub', [high, y]))];
  return times(write, dy, ...above, ...below);
}

/** alpha inside of the two bends, 0 outside and at them. */
function hardSigmoid({ y, dy, write, backward }: Point): string {
  const alpha = floatOr(backward.node, 'alpha', 0.2);
  const inside = times(write, isPositive(write, y), isPositive(write, write.node('Sub', [write.scalar(1), y])));
  return times(write, dy, inside, write.scalar(alpha));
}

/** 0 below -3, 1 above 3, (2 x + 3) / 6 between. */
function hardSwish({ x, dy, write }: Point): string {
  const gate = write.node('HardSigmoid', [x], { alpha: { float: 1 / 6 }, beta: { float: 0.5 } });
  const inside = times(
    write,
    isPositive(write, gate),
    isPositive(write, write.node('Sub', [write.scalar(1), gate])),
    write.scalar(1 / 6),
  );
  return times(write, dy, write.node('Add', [gate, write.node('Mul', [x, inside])]));
}

/** With s = softplus(x): tanh(s) + x (1 - tanh(s)^2) sigmoid(x). */
function mish({ x, dy, write }: Point): string {
  const t = write.node('Tanh', [write.node('Softplus', [x])]);
  const sech = write.node('Sub', [write.scalar(1), write.node('Mul', [t, t])]);
  return times(write, dy, write.node('Add', [t, times(write, x, sech, write.node('Sigmoid', [x]))]));
}

export const functions: readonly Operator[] = [
  elementwise('Identity', ({ dy }) => dy),
  elementwise('Neg', ({ dy, write }) => write.node('Neg', [dy])),
  elementwise('Abs', ({ x, dy, write }) => times(write, dy, write.node('Sign', [x]))),
  elementwise('Sqrt', ({ y, dy, write }) => write.node('Div', [write.node('Mul', [dy, write.scalar(0.5)]), y])),
  elementwise('Reciprocal', ({ y, dy, write }) => write.node('Neg', [times(write, dy, y, y)])),
  elementwise('Exp', ({ y, dy, write }) => times(write, dy, y)),
  elementwise('Log', ({ x, dy, write }) => write.node('Div', [dy, x])),
  elementwise('Sin', ({ x, dy, write }) => times(write, dy, write.node('Cos', [x]))),
  elementwise('Cos', ({ x, dy, write }) => write.node('Neg', [times(write, dy, write.node('Sin', [x]))])),
  elementwise('Erf', ({ x, dy, write }) => {
    const power = write.node('Exp', [write.node('Neg', [write.node('Mul', [x, x])])]);
    return times(write, dy, power, write.scalar(2 / Math.sqrt(Math.PI)));
  }),
  elementwise('Tanh', ({ y, dy, write }) =>
    times(write, dy, write.node('Sub', [write.scalar(1), write.node('Mul', [y, y])])),
  ),
  elementwise('Sigmoid', ({ y, dy, write }) => times(write, dy, logistic(write, y))),
  elementwise('Softplus', ({ x, dy, write }) => times(write, dy, write.node('Sigmoid', [x]))),
  elementwise('Softsign', ({ x, dy, write }) => {
    const width = write.node('Add', [write.node('Abs', [x]), write.scalar(1)]);
    return write.node('Div', [write.node('Div', [dy, width]), width]);
  }),
  elementwise('Relu', ({ y, dy, write }) => times(write, dy, isPositive(write, y))),
  elementwise('LeakyRelu', ({ x, dy, write, backward }) => {
    const alpha = floatOr(backward.node, 'alpha', 0.01);
    const slope = write.node('Add', [
      write.node('Mul', [isPositive(write, x), write.scalar(1 - alpha)]),
      write.scalar(alpha),
    ]);
    return times(write, dy, slope);
  }),
  elementwise('Elu', elu),
  elementwise('Selu', selu),
  elementwise('Gelu', gelu),
  elementwise('HardSigmoid', hardSigmoid),
  elementwise('HardSwish', hardSwish),
  elementwise('Mish', mish),
  elementwise('Clip', clip),
];

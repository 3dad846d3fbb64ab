/**
 * Functions of one number, element by element: each line gives dy times the function's derivative, by its input x or its
 * output y.
 */
import { sumTo } from '../gradient/broadcast.js';
import {
  floatOr,
  gradientOf,
  inputOf,
  shapeOf,
  textOr,
  type BackwardNode,
  type Operator,
} from '../gradient/operator.js';
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
export function geluSlope(write: GraphWriter, x: string, isTanh: boolean): string {
  const one = write.scalar(1);
  const half = write.scalar(0.5);
  if (!isTanh) {
    const phi = write.node('Erf', [write.node('Mul', [x, write.scalar(Math.SQRT1_2)])]);
    const share = write.node('Mul', [write.node('Add', [phi, one]), half]);
    return write.node('Add', [share, times(write, x, normalDensity(write, x))]);
  }
  const c = Math.sqrt(2 / Math.PI);
  const square = write.node('Mul', [x, x]);
  const bracket = write.node('Add', [write.node('Mul', [square, write.scalar(c * 0.044715)]), write.scalar(c)]);
  const t = write.node('Tanh', [write.node('Mul', [x, bracket])]);
  const inner = write.node('Add', [write.node('Mul', [square, write.scalar(3 * c * 0.044715)]), write.scalar(c)]);
  const sech = write.node('Sub', [one, write.node('Mul', [t, t])]);
  return times(write, write.node('Add', [write.node('Add', [t, one]), times(write, x, sech, inner)]), half);
}

function gelu({ x, dy, write, backward }: Point): string {
  return times(write, dy, geluSlope(write, x, textOr(backward.node, 'approximate', 'none') === 'tanh'));
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

/** x where it is above 0, else x times a slope, which is a number each channel or broadcasts otherwise. */
function pRelu(backward: BackwardNode): readonly (string | null)[] {
  const { write } = backward;
  const [x, slope] = [inputOf(backward, 0), inputOf(backward, 1)];
  const shape = shapeOf(backward, x);
  const dy = gradientOf(backward);
  const dx = (): string => {
    const positive = isPositive(write, x);
    const below = write.node('Mul', [slope, write.node('Sub', [write.scalar(1), positive])]);
    return times(write, dy, write.node('Add', [positive, below]));
  };
  const dSlope = (): string => {
    const negative = write.node('Min', [x, write.scalar(0)]);
    return sumTo(write, times(write, dy, negative), shape, shapeOf(backward, slope));
  };
  return [backward.wants(0) ? dx() : null, backward.wants(1) ? dSlope() : null];
}

/** Of x times sigmoid(alpha x): s + alpha x s (1 - s), with s that sigmoid (Ramachandran, Zoph and Le, 2017). */
export function swishSlope(write: GraphWriter, x: string, alpha: number): string {
  const scaled = write.node('Mul', [x, write.scalar(alpha)]);
  const s = write.node('Sigmoid', [scaled]);
  return write.node('Add', [s, times(write, scaled, logistic(write, s))]);
}

/** A function of steps: it has no slope anywhere but at them. */
const flat = (op: string): Operator => ({ op, gradient: () => [null] });

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
  elementwise('Tan', ({ y, dy, write }) =>
    times(write, dy, write.node('Add', [write.node('Mul', [y, y]), write.scalar(1)])),
  ),
  elementwise('Atan', ({ x, dy, write }) =>
    write.node('Div', [dy, write.node('Add', [write.node('Mul', [x, x]), write.scalar(1)])]),
  ),
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
  // Below 0 it is alpha (e^(x / alpha) - 1), whose slope is y / alpha + 1.
  elementwise('Celu', ({ y, dy, write, backward }) => {
    const below = write.node('Min', [y, write.scalar(0)]);
    const alpha = write.scalar(floatOr(backward.node, 'alpha', 1));
    return times(write, dy, write.node('Add', [write.node('Div', [below, alpha]), write.scalar(1)]));
  }),
  elementwise('Selu', selu),
  elementwise('Gelu', gelu),
  elementwise('HardSigmoid', hardSigmoid),
  elementwise('HardSwish', hardSwish),
  elementwise('Mish', mish),
  elementwise('Swish', ({ x, dy, write, backward }) =>
    times(write, dy, swishSlope(write, x, floatOr(backward.node, 'alpha', 1))),
  ),
  elementwise('Clip', clip),
  { op: 'PRelu', gradient: pRelu },
  ...['Floor', 'Ceil', 'Round', 'Sign'].map(flat),
];

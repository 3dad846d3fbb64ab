/** Operators of the set com.microsoft, which onnxruntime brings and optimisers of graphs write. */
import { sumTo } from '../gradient/broadcast.js';
import {
  floatOr,
  gradientOf,
  inputOf,
  integerOr,
  NoGradient,
  shapeOf,
  type BackwardNode,
  type Operator,
} from '../gradient/operator.js';
import type { GraphWriter } from '../gradient/writer.js';
import { geluSlope, swishSlope } from './functions.js';
import { broadcastOf } from './matrices.js';

const domain = 'com.microsoft';

/** A function of x plus, where it is given, a bias that broadcasts: both take dy times the slope at their sum. */
function biased(op: string, slope: (write: GraphWriter, x: string, backward: BackwardNode) => string): Operator {
  return {
    op,
    domain,
    gradient: (backward) => {
      const { node, write } = backward;
      const [x, bias = ''] = [inputOf(backward, 0), node.inputs[1]];
      const at = bias === '' ? x : write.node('Add', [x, bias]);
      const dx = write.node('Mul', [gradientOf(backward), slope(write, at, backward)]);
      if (bias === '') return [dx];
      return [dx, backward.wants(1) ? sumTo(write, dx, shapeOf(backward, x), shapeOf(backward, bias)) : null];
    },
  };
}

/** alpha A' B', where a prime may mean the transpose of the last two axes, and the axes before broadcast. */
function fusedMatMul(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  if (integerOr(node, 'transBatchA', 0) + integerOr(node, 'transBatchB', 0) > 0)
    throw new NoGradient('a FusedMatMul of transposed batches');
  const [a, b] = [inputOf(backward, 0), inputOf(backward, 1)];
  const [shapeA, shapeB] = [shapeOf(backward, a), shapeOf(backward, b)];
  if (Math.min(shapeA.length, shapeB.length) < 2) throw new NoGradient('a FusedMatMul of a vector');
  const [transA, transB] = [integerOr(node, 'transA', 0), integerOr(node, 'transB', 0)];
  const alpha = { float: floatOr(node, 'alpha', 1) };
  const dy = gradientOf(backward);
  const batch = broadcastOf(shapeA.slice(0, -2), shapeB.slice(0, -2));
  const product = (x: string, y: string, flips: readonly [number, number], to: readonly number[]): string => {
    const full = write.microsoft('FusedMatMul', [x, y], { alpha, transA: flips[0], transB: flips[1] });
    return sumTo(write, full, [...batch, ...to.slice(-2)], to);
  };
  const dA = (): string =>
    transA === 0 ? product(dy, b, [0, 1 - transB], shapeA) : product(b, dy, [transB, 1], shapeA);
  const dB = (): string =>
    transB === 0 ? product(a, dy, [1 - transA, 0], shapeB) : product(dy, a, [1, transA], shapeB);
  return [backward.wants(0) ? dA() : null, backward.wants(1) ? dB() : null];
}

export const microsoft: readonly Operator[] = [
  biased('Gelu', (write, x) => geluSlope(write, x, false)),
  biased('BiasGelu', (write, x) => geluSlope(write, x, false)),
  biased('FastGelu', (write, x) => geluSlope(write, x, true)),
  biased('QuickGelu', (write, x, { node }) => swishSlope(write, x, floatOr(node, 'alpha', 1.702))),
  { op: 'FusedMatMul', domain, gradient: fusedMatMul },
];

/** Operators of two operands with broadcasting, and sums and means of several. */
import { gradientOf, inputOf, shapeOf, type BackwardNode, type Operator } from '../gradient/operator.js';
import { sumTo } from '../gradient/broadcast.js';

/** The gradients of both operands before broadcasting is undone. */
type Partials = (
  backward: BackwardNode,
  dy: string,
  x: readonly [string, string],
) => readonly [() => string, () => string];

function binary(op: string, partials: Partials): Operator {
  return {
    op,
    gradient: (backward) => {
      const dy = gradientOf(backward);
      const inputs = [inputOf(backward, 0), inputOf(backward, 1)] as const;
      const shape = shapeOf(backward, backward.node.outputs[0] ?? '');
      return partials(backward, dy, inputs).map((partial, i) =>
        backward.wants(i) ? sumTo(backward.write, partial(), shape, shapeOf(backward, inputs[i] ?? '')) : null,
      );
    },
  };
}

/** d/da a^b = b a^(b - 1); d/db a^b = a^b ln a, as PyTorch 0 where a is 0. */
const pow = binary('Pow', (backward, dy, [a, b]) => {
  const { write, node } = backward;
  const y = node.outputs[0] ?? '';
  const [exponent, ...others] = backward.constant(b) ?? [];
  const slope = (): string => {
    if (exponent !== undefined && others.length === 0) {
      if (exponent === 2) return write.node('Mul', [a, write.scalar(2)]);
      return write.node('Mul', [write.node('Pow', [a, write.scalar(exponent - 1)]), write.scalar(exponent)]);
    }
    return write.node('Mul', [write.node('Pow', [a, write.node('Sub', [b, write.scalar(1)])]), b]);
  };
  const logarithm = (): string => {
    const isZero = write.node('Equal', [a, write.scalar(0)]);
    const safe = write.node('Where', [isZero, write.scalar(1), a]);
    return write.node('Mul', [y, write.node('Log', [safe])]);
  };
  return [() => write.node('Mul', [dy, slope()]), () => write.node('Mul', [dy, logarithm()])];
});

/** The larger or smaller operand takes the gradient; equal ones halve it, as PyTorch's maximum does. */
function extreme(op: 'Max' | 'Min'): Operator {
  return {
    op,
    gradient: (backward) => {
      const { node, write } = backward;
      const dy = gradientOf(backward);
      const y = node.outputs[0] ?? '';
      const shape = shapeOf(backward, y);
      const hits = node.inputs.map((x) => write.node('Cast', [write.node('Equal', [x, y])], { to: 1 }));
      const [first = '', ...others] = hits;
      const count = others.reduce((sum, hit) => write.node('Add', [sum, hit]), first);
      const share = write.node('Div', [dy, count]);
      return node.inputs.map((x, i) =>
        backward.wants(i) ? sumTo(write, write.node('Mul', [share, hits[i] ?? '']), shape, shapeOf(backward, x)) : null,
      );
    },
  };
}

/** A sum of any number of operands, times a factor that their number gives. */
function sum(op: 'Sum' | 'Mean', factor: (operands: number) => number): Operator {
  return {
    op,
    gradient: (backward) => {
      const { node, write } = backward;
      const scale = factor(node.inputs.length);
      const dy = gradientOf(backward);
      const scaled = scale === 1 ? dy : write.node('Mul', [dy, write.scalar(scale)]);
      const shape = shapeOf(backward, node.outputs[0] ?? '');
      return node.inputs.map((x, i) => (backward.wants(i) ? sumTo(write, scaled, shape, shapeOf(backward, x)) : null));
    },
  };
}

export const arithmetic: readonly Operator[] = [
  binary('Add', (_, dy) => [() => dy, () => dy]),
  binary('Sub', ({ write }, dy) => [() => dy, () => write.node('Neg', [dy])]),
  binary('Mul', ({ write }, dy, [a, b]) => [() => write.node('Mul', [dy, b]), () => write.node('Mul', [dy, a])]),
  binary('Div', ({ write, node }, dy, [, b]) => [
    () => write.node('Div', [dy, b]),
    () => write.node('Neg', [write.node('Div', [write.node('Mul', [dy, node.outputs[0] ?? '']), b])]),
  ]),
  pow,
  extreme('Max'),
  extreme('Min'),
  sum('Sum', () => 1),
  sum('Mean', (operands) => 1 / operands),
];

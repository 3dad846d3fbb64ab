/** Operators that choose among elements. */
import { axesOf, reshape, sumTo } from '../gradient/broadcast.js';
import {
  axisOf,
  gradientOf,
  inputOf,
  integerOr,
  shapeOf,
  type BackwardNode,
  type Operator,
} from '../gradient/operator.js';

/**
 * The gradient of each element that was taken is added to its place, one after the other in the indices' order, so that
 * the sum's bits do not depend on anything else.
 */
function gather(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const [x, indices] = [inputOf(backward, 0), inputOf(backward, 1)];
  const [shapeX, shapeI] = [shapeOf(backward, x), shapeOf(backward, indices)];
  const axis = axisOf(integerOr(node, 'axis', 0), shapeX.length);
  const dy = gradientOf(backward);
  const rank = shapeX.length;
  // The chosen axis to the front: of dy all axes of the indices, of x the one.
  const chosen = shapeI.map((_, i) => axis + i);
  const rankY = rank - 1 + shapeI.length;
  const others = Array.from({ length: rankY }, (_, i) => i).filter((i) => !chosen.includes(i));
  const front = axis === 0 ? dy : write.node('Transpose', [dy], { perm: [...chosen, ...others] });
  const rest = shapeX.filter((_, i) => i !== axis);
  const count = shapeI.reduce((product, dim) => product * dim, 1);
  const length = shapeX[axis] ?? 1;
  const updates = reshape(write, front, [count, ...rest]);
  const zeros = write.node('Expand', [write.scalar(0), write.integers(length, ...rest)]);
  const places = write.node('Cast', [reshape(write, indices, [count, 1])], { to: 7 });
  const size = write.integers(length);
  const isBehind = write.node('Less', [places, write.integers(0)]);
  const fromFront = write.node('Where', [isBehind, write.node('Add', [places, size]), places]);
  const sum = write.node('ScatterND', [zeros, fromFront, updates], { reduction: 'add' });
  if (axis === 0) return [sum, null];
  // [length, rest] back to where the axis was.
  const back = axesOf(shapeX).map((at) => (at === axis ? 0 : at < axis ? at + 1 : at));
  return [write.node('Transpose', [sum], { perm: back }), null];
}

function where(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const [condition, a, b] = [inputOf(backward, 0), inputOf(backward, 1), inputOf(backward, 2)];
  const dy = gradientOf(backward);
  const shape = shapeOf(backward, node.outputs[0] ?? '');
  const zero = write.scalar(0);
  const part = (i: number, x: string, inputs: readonly string[]): string | null =>
    backward.wants(i) ? sumTo(write, write.node('Where', inputs), shape, shapeOf(backward, x)) : null;
  return [null, part(1, a, [condition, dy, zero]), part(2, b, [condition, zero, dy])];
}

export const choices: readonly Operator[] = [
  { op: 'Gather', gradient: gather },
  { op: 'Where', gradient: where },
];

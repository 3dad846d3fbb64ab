/** Operators that choose among elements. */
import { mustAt } from '../../../../../shared/must.js';
import { axesOf, reshape, sumTo } from '../gradient/broadcast.js';
import {
  axisOf,
  gradientOf,
  inputOf,
  integerOr,
  NoGradient,
  shapeOf,
  textOr,
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
  const constant = backward.constant(indices);
  if (constant?.length === 1)
    return [single(backward, { axis, at: axisOf(mustAt(constant, 0), mustAt(shapeX, axis)) }), null];
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

/** One place of an axis, known beforehand: zeros around it, without a search. */
function single(backward: BackwardNode, { axis, at }: { readonly axis: number; readonly at: number }): string {
  const { write } = backward;
  const shape = shapeOf(backward, inputOf(backward, 0));
  const one = shape.map((dim, i) => (i === axis ? 1 : dim));
  const widths = [...shape, ...shape].map(() => 0);
  widths[axis] = at;
  widths[axis + shape.length] = mustAt(shape, axis) - at - 1;
  return write.node('Pad', [reshape(write, gradientOf(backward), one), write.integers(...widths)]);
}

function zerosLike(backward: BackwardNode, name: string): string {
  return backward.write.node('Expand', [backward.write.scalar(0), backward.write.integers(...shapeOf(backward, name))]);
}

/** Each element that was taken gets its gradient added, in the indices' order. */
function gatherElements(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const x = inputOf(backward, 0);
  const attributes = { axis: integerOr(node, 'axis', 0), reduction: 'add' };
  const inputs = [zerosLike(backward, x), inputOf(backward, 1), gradientOf(backward)];
  return [write.node('ScatterElements', inputs, attributes), null];
}

function gatherNd(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  if (integerOr(node, 'batch_dims', 0) !== 0) throw new NoGradient('a GatherND with batch_dims');
  const inputs = [zerosLike(backward, inputOf(backward, 0)), inputOf(backward, 1), gradientOf(backward)];
  return [write.node('ScatterND', inputs, { reduction: 'add' }), null];
}

/** What was written over has no gradient left; what was added to keeps it. Places are taken to be named once each. */
function scattered(op: 'ScatterND' | 'ScatterElements', gather: 'GatherND' | 'GatherElements'): Operator {
  return {
    op,
    gradient: (backward) => {
      const { node, write } = backward;
      const reduction = textOr(node, 'reduction', 'none');
      if (reduction !== 'none' && reduction !== 'add') throw new NoGradient(`a ${op} of reduction ${reduction}`);
      const [indices, updates] = [inputOf(backward, 1), inputOf(backward, 2)];
      const dy = gradientOf(backward);
      const axis = op === 'ScatterElements' ? { axis: integerOr(node, 'axis', 0) } : {};
      const left = (): string =>
        reduction === 'add' ? dy : write.node(op, [dy, indices, zerosLike(backward, updates)], axis);
      return [
        backward.wants(0) ? left() : null,
        null,
        backward.wants(2) ? write.node(gather, [dy, indices], axis) : null,
      ];
    },
  };
}

/** The chosen elements take the gradient of the values. */
function topK(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const [, indices = ''] = node.outputs;
  if (indices === '') throw new NoGradient('a TopK without its indices');
  const inputs = [zerosLike(backward, inputOf(backward, 0)), indices, gradientOf(backward)];
  return [write.node('ScatterElements', inputs, { axis: integerOr(node, 'axis', -1) }), null];
}

/** The triangle that was kept. */
function trilu(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const [, ...diagonal] = node.inputs;
  const upper = integerOr(node, 'upper', 1);
  return [write.node('Trilu', [gradientOf(backward), ...diagonal], { upper }), ...diagonal.map(() => null)];
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
  { op: 'GatherElements', gradient: gatherElements },
  { op: 'GatherND', gradient: gatherNd },
  scattered('ScatterElements', 'GatherElements'),
  scattered('ScatterND', 'GatherND'),
  { op: 'TopK', gradient: topK },
  { op: 'Trilu', gradient: trilu },
  { op: 'Where', gradient: where },
];

/** Sums over what broadcasting has repeated: the gradient of an operand that was repeated is the sum over its copies. */
import { elementsIn } from '../../../../../shared/shape.js';
import type { GraphWriter } from './writer.js';

/**
 * Brings a gradient back to the shape of the operand that was broadcast.
 *
 * @param from the gradient's shape, which `to` was broadcast to
 * @returns the name of the gradient of shape `to`
 */
export function sumTo(write: GraphWriter, gradient: string, from: readonly number[], to: readonly number[]): string {
  if (from.length === to.length && from.every((dim, axis) => dim === to[axis])) return gradient;
  const lead = from.length - to.length;
  const axes = from.flatMap((dim, axis) => (dim !== (axis < lead ? 1 : to[axis - lead]) ? [axis] : []));
  const sum =
    axes.length === 0 ? gradient : write.node('ReduceSum', [gradient, write.integers(...axes)], { keepdims: 1 });
  return lead === 0 ? sum : reshape(write, sum, to);
}

/** The same elements in another shape. */
export function reshape(write: GraphWriter, value: string, shape: readonly number[]): string {
  if (shape.length === 0) return write.node('Squeeze', [value]);
  return write.node('Reshape', [value, write.integers(...shape)], elementsIn(shape) === 0 ? { allowzero: 1 } : {});
}

/** The axes of a shape, in order. */
export function axesOf(shape: readonly number[]): number[] {
  return shape.map((_, axis) => axis);
}

/** Shapes of tensors. Pure. */

/** How many elements a tensor of that shape has; 1 for the shape of a scalar, []. */
export function elementsIn(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

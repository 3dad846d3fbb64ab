/** A teacher's classes brought into the data's order, by name. Pure. */
import { UserError } from '../../../shared/errors.js';
import { nearest } from '../../../shared/recipe/nearest.js';

/**
 * @param own the teacher's class names, in the order of its outputs
 * @returns for each class of the data the number of the teacher's output
 * @throws UserError 2 when a name is missing or given twice
 */
export function classOrder(teacher: string, own: readonly string[], data: readonly string[]): number[] {
  const twice = own.find((name, i) => own.indexOf(name) < i);
  if (twice !== undefined)
    throw new UserError(
      `teacher ${teacher}: classes: "${twice}" given twice; a name of its own for each output wanted`,
    );
  return data.map((name) => {
    const found = own.indexOf(name);
    if (found >= 0) return found;
    const near = nearest(name, own);
    throw new UserError(
      `teacher ${teacher}: classes: no "${name}", which data.classNames has${near === undefined ? '' : `; did you mean "${near}"?`}`,
    );
  });
}

/** [rows x outputs] to [rows x classes] */
export function inClassOrder(raw: Float32Array, outputs: number, order: readonly number[]): Float32Array {
  const rows = raw.length / outputs;
  const result_BC = new Float32Array(rows * order.length);
  for (let row = 0; row < rows; row++) {
    order.forEach((output, k) => {
      result_BC[row * order.length + k] = raw[row * outputs + output] ?? 0;
    });
  }
  return result_BC;
}

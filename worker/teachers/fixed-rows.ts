/** One fixed number of rows in every forward of a teacher, whatever number of samples there is. Pure but for the forward. */
import type { Teacher } from './teacher.js';

export interface FixedRows {
  /** Samples in the inputs; at least 1. */
  readonly rows: number;
  /** One sample's shape as the teacher is fed it. */
  readonly sampleShape: readonly number[];
  /** Rows of every forward, unless the model insists on a number of its own. */
  readonly fixedRows: number;
}

/** All rows through the teacher, so many at a time, zeros after the last. @returns [rows x classes] */
export async function forwardInFixedRows(teacher: Pick<Teacher, 'forward' | 'fixedRows'>, inputs: Float32Array, { rows, sampleShape, fixedRows }: FixedRows): Promise<Float32Array> {
  const [step, size] = [teacher.fixedRows ?? fixedRows, inputs.length / rows];
  let out = new Float32Array(0);
  for (let row = 0; row < rows; row += step) {
    const taken = Math.min(step, rows - row);
    const batch = new Float32Array(step * size);
    batch.set(inputs.subarray(row * size, (row + taken) * size));
    const values = await teacher.forward(batch, [step, ...sampleShape]);
    const classes = values.length / step;
    if (row === 0) out = new Float32Array(rows * classes);
    out.set(values.subarray(0, taken * classes), row * classes);
  }
  return out;
}

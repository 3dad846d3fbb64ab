/** Small NPY and IDX files of float32 for tests. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface ArrayFiles {
  readonly npy: (name: string, shape: readonly number[], values: readonly number[]) => void;
  readonly idx: (name: string, dims: readonly number[], values: readonly number[]) => void;
}

/** Written into the folder. */
export function arrayFiles(folder: string): ArrayFiles {
  return {
    npy: (name, shape, values) => {
      const header = Buffer.from(
        `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`.padEnd(117) + '\n',
      );
      writeFileSync(
        join(folder, name),
        Buffer.concat([
          Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 118, 0]),
          header,
          Buffer.from(Float32Array.from(values).buffer),
        ]),
      );
    },
    idx: (name, dims, values) => {
      const body = Buffer.alloc(4 + 4 * dims.length + 4 * values.length);
      body.set([0, 0, 0x0d, dims.length]);
      dims.forEach((dim, i) => body.writeUInt32BE(dim, 4 + 4 * i));
      values.forEach((value, i) => body.writeFloatBE(value, 4 + 4 * dims.length + 4 * i));
      writeFileSync(join(folder, name), body);
    },
  };
}

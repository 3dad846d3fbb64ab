/** NumPy's arrays: `file.npy`, or `set.npz#x` for the array x of an archive. Rows lie in memory. */
import { readBeside, type BesidePaths } from './beside.js';
import { damaged, readDataFile } from './files.js';
import { openNpz, readNpy, type NpyArray } from './npy-array.js';
import type { Rows, Source } from './rows.js';

/** `file.npy`, `file.npz#name`, or `file.npz` with `fallback` as the array's name. */
async function readArray(spec: string, fallback: string): Promise<NpyArray> {
  const [path = spec, array = fallback] = spec.split('#');
  if (!path.endsWith('.npz')) {
    const bytes = await readDataFile(path);
    return readNpy(path, { sizeBytes: bytes.length, pieces: [bytes] });
  }
  const archive = await openNpz(path);
  try {
    return await archive.read(array, spec);
  } finally {
    archive.close();
  }
}

/** Whole numbers are kept as int32. @throws UserError 65 for one that does not fit */
function toRows(path: string, data: NpyArray['data']): Rows {
  if (data instanceof Uint8Array || data instanceof Int32Array || data instanceof Float32Array) return data;
  if (data instanceof Float64Array) return Float32Array.from(data);
  const whole = Int32Array.from(data as ArrayLike<number | bigint>, Number);
  const bad = whole.findIndex((value, i) => value !== Number(data[i]));
  if (bad >= 0)
    throw damaged(
      path,
      `element ${bad} is ${data[bad]}; a whole number from ${-(2 ** 31)} to ${2 ** 31 - 1}, or a float, was wanted`,
    );
  return whole;
}

/** @throws UserError 2 for a missing file, 65 for one that cannot be used */
export async function openNpy(inputsPath: string, beside: BesidePaths = {}): Promise<Source> {
  const inputs = await readArray(inputsPath, 'x');
  const [samples = 0, ...shape] = inputs.dims;
  const told = await readBeside(beside, { file: inputsPath, samples }, async (path, member) => {
    const { dims, data } = await readArray(path, member);
    return { dims, data: Float64Array.from(data as ArrayLike<number | bigint>, Number) };
  });
  const data = toRows(inputsPath, inputs.data);
  const size = shape.reduce((product, dim) => product * dim, 1);
  const dtype = data instanceof Uint8Array ? 'uint8' : data instanceof Int32Array ? 'int32' : 'float32';
  return {
    file: inputsPath,
    samples,
    shape: shape.length === 0 ? [1] : shape,
    dtype,
    ...told,
    read: async (from, to) => data.subarray(from * size, to * size),
    close: async () => undefined,
  };
}

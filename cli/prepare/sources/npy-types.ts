/** Element types of NumPy's arrays: what a header calls them, and their values from bytes of either order. Pure. */
import { halfTable } from '../../../shared/labels/half.js';
import type { ArrayData, StoredArray } from './arrays.js';
import { damaged } from './file-errors.js';

/** How the elements of an array are kept. */
export interface NpyType extends Pick<StoredArray, 'values'> {
  readonly sizeBytes: number;
  /** The values of the bytes, which may be changed in place. */
  readonly valuesOf: (bytes: ArrayBuffer) => ArrayData;
}

type NumberType = new (bytes: ArrayBuffer) => Exclude<ArrayData, readonly string[]>;

const numberTypes: Readonly<Record<string, NumberType>> = {
  b1: Uint8Array,
  u1: Uint8Array,
  i1: Int8Array,
  u2: Uint16Array,
  i2: Int16Array,
  u4: Uint32Array,
  i4: Int32Array,
  u8: BigUint64Array,
  i8: BigInt64Array,
  f4: Float32Array,
  f8: Float64Array,
};

/**
 * @param name names the array in errors
 * @param descr as the header has it, such as `<f4`: order of bytes, kind and size
 * @throws UserError 65 for elements that are neither numbers nor texts
 */
export function npyType(name: string, descr: string): NpyType {
  const [, order = '', kind = '', digits = ''] = /^([<>|=])([a-zA-Z])(\d*)$/.exec(descr) ?? [];
  const size = Number(digits);
  const isSwapped = order === '>';
  if (kind === 'O')
    throw damaged(
      name,
      'Python objects, which only Python can read; an array of numbers or texts was wanted (numpy.array(list(y)))',
    );
  if (kind === 'U')
    return {
      sizeBytes: 4 * size,
      values: 'text',
      valuesOf: (bytes) => wideTexts(swapped(bytes, isSwapped ? 4 : 1), size),
    };
  if (kind === 'S') return { sizeBytes: size, values: 'text', valuesOf: (bytes) => narrowTexts(bytes, size) };
  if (kind === 'f' && size === 2)
    return {
      sizeBytes: size,
      values: 'float32',
      valuesOf: (bytes) => halves(new Uint16Array(swapped(bytes, isSwapped ? size : 1))),
    };
  const Numbers = numberTypes[`${kind}${size}`];
  if (Numbers === undefined)
    throw damaged(name, `elements of type ${descr}; whole numbers, floats of at most 64 bits, or texts were wanted`);
  const isByte = Numbers === Uint8Array;
  return {
    sizeBytes: size,
    values: kind === 'f' ? 'float32' : isByte ? 'uint8' : 'int32',
    valuesOf: (bytes) => new Numbers(swapped(bytes, isSwapped ? size : 1)),
  };
}

/** Turns the order of the bytes of each element of that size, in place. */
function swapped(bytes: ArrayBuffer, size: number): ArrayBuffer {
  if (size > 1) for (let at = 0; at < bytes.byteLength; at += size) new Uint8Array(bytes, at, size).reverse();
  return bytes;
}

function halves(bits: Uint16Array): Float32Array {
  const table = halfTable();
  return Float32Array.from(bits, (half) => table[half] ?? NaN);
}

/** Texts of `size` code points, filled with zeros. */
function wideTexts(bytes: ArrayBuffer, size: number): string[] {
  const points = new Uint32Array(bytes);
  return Array.from({ length: size === 0 ? 0 : points.length / size }, (_, i) =>
    String.fromCodePoint(...points.subarray(i * size, (i + 1) * size)).replace(/\0+$/, ''),
  );
}

/** Texts of `size` bytes, filled with zeros. */
function narrowTexts(bytes: ArrayBuffer, size: number): string[] {
  return Array.from({ length: size === 0 ? 0 : bytes.byteLength / size }, (_, i) =>
    Buffer.from(bytes, i * size, size)
      .toString('utf8')
      .replace(/\0+$/, ''),
  );
}

/** The elements of an array in Fortran order, whose first index runs fastest, in C order. */
export function inOrderOfC<T extends ArrayData>(data: T, dims: readonly number[]): T {
  const out = data.slice() as T;
  const target = out as unknown as Record<number, unknown>;
  const steps = dims.map((_, k) => dims.slice(0, k).reduce((product, dim) => product * dim, 1));
  const index = dims.map(() => 0);
  let from = 0;
  for (let to = 0; to < data.length; to++) {
    target[to] = data[from];
    for (let k = dims.length - 1; k >= 0; k--) {
      const next = (index[k] ?? 0) + 1;
      const step = steps[k] ?? 0;
      if (next < (dims[k] ?? 0)) {
        index[k] = next;
        from += step;
        break;
      }
      from -= step * (next - 1);
      index[k] = 0;
    }
  }
  return out;
}

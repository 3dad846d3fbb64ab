/**
 * NumPy's .npy arrays, alone or in an .npz archive (`set.npz#x`). Little-endian numbers in C order. Source: numpy's
 * format document (NEP 1).
 */
import { inflateRawSync } from 'node:zlib';
import { readBeside, type BesidePaths } from './beside.js';
import { damaged, readDataFile } from './files.js';
import type { Rows, Source } from './rows.js';

interface NpyArray {
  readonly dims: readonly number[];
  readonly data: Rows | Float64Array | BigInt64Array | Uint16Array | Int16Array | Int8Array | Uint32Array;
}

const largestMember = 2 ** 32;

/** @throws UserError 65 for a file that is not sound or holds something else than numbers */
export function decodeNpy(path: string, bytes: Buffer): NpyArray {
  if (bytes.length < 10 || bytes.toString('latin1', 1, 6) !== 'NUMPY' || bytes[0] !== 0x93)
    throw damaged(path, 'no .npy array; the magic \\x93NUMPY was wanted');
  const isLong = (bytes[6] ?? 1) >= 2;
  const headerAt = isLong ? 12 : 10;
  const length = isLong ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', headerAt, headerAt + length);
  const descr = /'descr':\s*'([^']+)'/.exec(header)?.[1];
  const dims = /'shape':\s*\(([^)]*)\)/
    .exec(header)?.[1]
    ?.split(',')
    .filter((part) => part.trim() !== '')
    .map(Number);
  if (descr === undefined || dims === undefined)
    throw damaged(path, 'an .npy header without descr and shape (objects and records cannot be read)');
  if (/'fortran_order':\s*True/.test(header))
    throw damaged(path, 'an array in Fortran order; save it with numpy.ascontiguousarray');
  const body = bytes.subarray(headerAt + length);
  const count = dims.reduce((product, dim) => product * dim, 1);
  const size = Number(descr.slice(2));
  if (body.length !== count * size)
    throw damaged(
      path,
      `${body.length < count * size ? 'truncated' : 'too long'}: ${body.length} bytes of data; ${count * size} were wanted for (${dims.join(', ')}) of ${descr}`,
    );
  return { dims, data: typed(path, descr, body) };
}

function typed(path: string, descr: string, body: Buffer): NpyArray['data'] {
  const own = body.buffer.slice(body.byteOffset, body.byteOffset + body.length);
  const buffer = own as ArrayBuffer;
  switch (descr) {
    case '|u1':
    case '|b1':
      return new Uint8Array(buffer);
    case '|i1':
      return new Int8Array(buffer);
    case '<u2':
      return new Uint16Array(buffer);
    case '<i2':
      return new Int16Array(buffer);
    case '<i4':
      return new Int32Array(buffer);
    case '<u4':
      return new Uint32Array(buffer);
    case '<i8':
      return new BigInt64Array(buffer);
    case '<f4':
      return new Float32Array(buffer);
    case '<f8':
      return new Float64Array(buffer);
    default:
      throw damaged(path, `elements of type ${descr}; little-endian integers or floats were wanted`);
  }
}

/** One member of a zip archive, stored or deflated. Source: PKWARE's APPNOTE, sections 4.3 and 4.4. */
export function zipMember(path: string, zip: Buffer, name: string): Buffer {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end < 0) throw damaged(path, 'no zip archive; the end of its directory is missing');
  const entries = zip.readUInt16LE(end + 10);
  let at = zip.readUInt32LE(end + 16);
  const names: string[] = [];
  for (let i = 0; i < entries; i++) {
    if (at + 46 > zip.length || zip.readUInt32LE(at) !== 0x02014b50) throw damaged(path, 'a damaged zip directory');
    const nameLength = zip.readUInt16LE(at + 28);
    const member = zip.toString('utf8', at + 46, at + 46 + nameLength);
    if (member === name) return unpack(path, zip, at);
    names.push(member);
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  throw damaged(path, `no array ${name} in the archive; it holds ${names.join(', ') || 'nothing'}`);
}

function unpack(path: string, zip: Buffer, at: number): Buffer {
  const method = zip.readUInt16LE(at + 10);
  const packed = zip.readUInt32LE(at + 20);
  const size = zip.readUInt32LE(at + 24);
  const local = zip.readUInt32LE(at + 42);
  if (size >= largestMember - 1 || packed >= largestMember - 1)
    throw damaged(path, 'a zip64 archive; members of less than 4 GiB were wanted');
  const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
  const body = zip.subarray(start, start + packed);
  if (method === 0) return body;
  if (method !== 8) throw damaged(path, `zip method ${method}; stored or deflated was wanted`);
  try {
    return inflateRawSync(body, { maxOutputLength: Math.max(1, size) });
  } catch (error) {
    throw Object.assign(damaged(path, 'a damaged zip member'), { cause: error });
  }
}

/** `file.npy`, `file.npz#name`, or `file.npz` with `fallback` as the member's name. */
async function readArray(spec: string, fallback: string): Promise<NpyArray> {
  const [path = spec, member] = spec.split('#');
  const bytes = await readDataFile(path);
  if (!path.endsWith('.npz')) return decodeNpy(path, bytes);
  return decodeNpy(spec, zipMember(path, bytes, `${member ?? fallback}.npy`));
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

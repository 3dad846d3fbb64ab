/**
 * IDX, the format of MNIST: two zero bytes, the element type, the number of dimensions, the dimensions (u32 BE), the
 * data. Plain or gzip. Source: the MNIST database's page.
 */
import { counted } from '../../../shared/counted.js';
import { elementsIn } from '../../../shared/shape.js';
import { arrayFiles, openArrays, type ArrayData } from './arrays.js';
import { damaged } from './file-errors.js';
import { readDataFile } from './files.js';
import type { SourceFormat } from './source.js';

export const idx: SourceFormat<'idx'> = {
  files: arrayFiles,
  open: (recipe, context) => openArrays(recipe, context, async (path) => decodeIdx(path, await readDataFile(path))),
};

const types = new Map([
  [0x08, { name: 'uint8', size: 1 }],
  [0x09, { name: 'int8', size: 1 }],
  [0x0b, { name: 'int16', size: 2 }],
  [0x0c, { name: 'int32', size: 4 }],
  [0x0d, { name: 'float32', size: 4 }],
  [0x0e, { name: 'float64', size: 8 }],
]);

function decodeIdx(path: string, bytes: Buffer): { readonly dims: readonly number[]; readonly data: ArrayData } {
  const type = types.get(bytes[2] ?? 0);
  const rank = bytes[3] ?? 0;
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0 || type === undefined || rank < 1 || rank > 8) {
    throw damaged(
      path,
      `no IDX file (it starts with ${bytes.subarray(0, 4).toString('hex') || 'nothing'}); 0000, a type (08, 09, 0b, 0c, 0d or 0e) and the number of dimensions were wanted`,
    );
  }
  const start = 4 + 4 * rank;
  if (bytes.length < start)
    throw damaged(path, `truncated IDX header: ${counted(bytes.length, 'byte')}; ${start} were wanted`);
  const dims = Array.from({ length: rank }, (_, i) => bytes.readUInt32BE(4 + 4 * i));
  const wanted = start + elementsIn(dims) * type.size;
  if (bytes.length !== wanted)
    throw damaged(
      path,
      `${bytes.length < wanted ? 'truncated' : 'too long'}: ${counted(bytes.length, 'byte')}; ${wanted} were wanted for [${dims.join(', ')}] of ${type.name}`,
    );
  return { dims, data: elements(bytes.subarray(start), type) };
}

/** Elements of a type that `types` has. IDX has the byte of the most weight first. */
function elements(body: Buffer, { name, size }: { readonly name: string; readonly size: number }): ArrayData {
  const read = <T>(
    values: { from: (from: { length: number }, at: (_: unknown, i: number) => number) => T },
    at: (i: number) => number,
  ): T => values.from({ length: body.length / size }, (_, i) => at(size * i));
  switch (name) {
    case 'int8':
      return read(Int8Array, (at) => body.readInt8(at));
    case 'int16':
      return read(Int16Array, (at) => body.readInt16BE(at));
    case 'int32':
      return read(Int32Array, (at) => body.readInt32BE(at));
    case 'float32':
      return read(Float32Array, (at) => body.readFloatBE(at));
    case 'float64':
      return read(Float64Array, (at) => body.readDoubleBE(at));
    default:
      return new Uint8Array(body.buffer, body.byteOffset, body.length);
  }
}

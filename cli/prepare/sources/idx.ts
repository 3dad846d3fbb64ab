/**
 * IDX, the format of MNIST: two zero bytes, the element type, the number of dimensions, the dimensions (u32 BE), the
 * data. Plain or gzip. Source: the MNIST database's page.
 */
import { counted } from '../../../shared/counted.js';
import { elementsIn } from '../../../shared/shape.js';
import { arrayFiles, openArrays, type ArrayData, type StoredArray } from './arrays.js';
import { damaged } from './file-errors.js';
import { bytesIn, openRanged, type RangedBytes } from './ranged-bytes.js';
import type { SourceFormat } from './source.js';

export const idx: SourceFormat<'idx'> = {
  files: arrayFiles,
  open: (recipe, context) =>
    openArrays(recipe, context, async (path, _, spool) => storedIdx(path, await openRanged(path, spool))),
};

interface IdxType extends Pick<StoredArray, 'values'> {
  readonly name: string;
  /** Bytes of an element. */
  readonly size: number;
}

const types: ReadonlyMap<number, IdxType> = new Map<number, IdxType>([
  [0x08, { name: 'uint8', size: 1, values: 'uint8' }],
  [0x09, { name: 'int8', size: 1, values: 'int32' }],
  [0x0b, { name: 'int16', size: 2, values: 'int32' }],
  [0x0c, { name: 'int32', size: 4, values: 'int32' }],
  [0x0d, { name: 'float32', size: 4, values: 'float32' }],
  [0x0e, { name: 'float64', size: 8, values: 'float32' }],
]);

function storedIdx(path: string, file: RangedBytes): StoredArray {
  const length = file.sizeBytes;
  const head = bytesIn(file, 0, Math.min(4, length));
  const type = types.get(head[2] ?? 0);
  const rank = head[3] ?? 0;
  if (head.length < 4 || head.readUInt16BE(0) !== 0 || type === undefined || rank < 1 || rank > 8) {
    throw damaged(
      path,
      `no IDX file (it starts with ${head.toString('hex') || 'nothing'}); 0000, a type (08, 09, 0b, 0c, 0d or 0e) and the number of dimensions were wanted`,
    );
  }
  const start = 4 + 4 * rank;
  if (length < start) throw damaged(path, `truncated IDX header: ${counted(length, 'byte')}; ${start} were wanted`);
  const sizes = bytesIn(file, 4, start);
  const dims = Array.from({ length: rank }, (_, i) => sizes.readUInt32BE(4 * i));
  const wanted = start + elementsIn(dims) * type.size;
  if (length !== wanted)
    throw damaged(
      path,
      `${length < wanted ? 'truncated' : 'too long'}: ${counted(length, 'byte')}; ${wanted} were wanted for [${dims.join(', ')}] of ${type.name}`,
    );
  const rowBytes = elementsIn(dims.slice(1)) * type.size;
  const read = (from: number, to: number): ArrayData =>
    elements(bytesIn(file, start + from * rowBytes, start + to * rowBytes), type);
  return { dims, values: type.values, read };
}

/** Elements of a type that `types` has. IDX has the byte of the most weight first. */
function elements(body: Buffer, { name, size }: IdxType): ArrayData {
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

/**
 * IDX, the format of MNIST: two zero bytes, the element type, the number of dimensions, the dimensions (u32 BE), the
 * data. Plain or gzip. Source: the MNIST database's page.
 */
import { elementsIn } from '../../../shared/shape.js';
import { arrayFiles, openArrays } from './arrays.js';
import { damaged } from './file-errors.js';
import { readDataFile } from './files.js';
import type { Rows, SourceFormat } from './source.js';

export const idx: SourceFormat<'idx'> = {
  files: arrayFiles,
  open: (recipe, context) => openArrays(recipe, context, async (path) => decodeIdx(path, await readDataFile(path))),
};

const types = new Map([
  [0x08, { name: 'uint8', size: 1 }],
  [0x0c, { name: 'int32', size: 4 }],
  [0x0d, { name: 'float32', size: 4 }],
]);

function decodeIdx(path: string, bytes: Buffer): { readonly dims: readonly number[]; readonly data: Rows } {
  const type = types.get(bytes[2] ?? 0);
  const rank = bytes[3] ?? 0;
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0 || type === undefined || rank < 1 || rank > 8) {
    throw damaged(
      path,
      `no IDX file (it starts with ${bytes.subarray(0, 4).toString('hex') || 'nothing'}); 0000, type 08, 0c or 0d, and the number of dimensions were wanted`,
    );
  }
  const start = 4 + 4 * rank;
  if (bytes.length < start) throw damaged(path, `truncated IDX header: ${bytes.length} bytes; ${start} were wanted`);
  const dims = Array.from({ length: rank }, (_, i) => bytes.readUInt32BE(4 + 4 * i));
  const wanted = start + elementsIn(dims) * type.size;
  if (bytes.length !== wanted)
    throw damaged(
      path,
      `${bytes.length < wanted ? 'truncated' : 'too long'}: ${bytes.length} bytes; ${wanted} were wanted for [${dims.join(', ')}] of ${type.name}`,
    );
  return { dims, data: elements(bytes.subarray(start), type.name) };
}

function elements(body: Buffer, type: string): Rows {
  if (type === 'uint8') return new Uint8Array(body.buffer, body.byteOffset, body.length);
  if (type === 'int32') return Int32Array.from({ length: body.length / 4 }, (_, i) => body.readInt32BE(4 * i));
  return Float32Array.from({ length: body.length / 4 }, (_, i) => body.readFloatBE(4 * i));
}

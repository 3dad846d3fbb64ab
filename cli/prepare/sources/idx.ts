/**
 * IDX, the format of MNIST: two zero bytes, the element type, the number of dimensions, the dimensions (u32 BE), the
 * data. Plain or gzip. Source: the MNIST database's page.
 */
import { readBeside, type BesidePaths } from './beside.js';
import { damaged, readDataFile } from './files.js';
import type { Source } from './rows.js';

interface IdxArray {
  readonly dims: readonly number[];
  readonly data: Uint8Array | Int32Array | Float32Array;
}

const types = new Map([
  [0x08, { name: 'uint8', size: 1 }],
  [0x0c, { name: 'int32', size: 4 }],
  [0x0d, { name: 'float32', size: 4 }],
]);

export function decodeIdx(path: string, bytes: Buffer): IdxArray {
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
  const wanted = start + dims.reduce((product, dim) => product * dim, 1) * type.size;
  if (bytes.length !== wanted)
    throw damaged(
      path,
      `${bytes.length < wanted ? 'truncated' : 'too long'}: ${bytes.length} bytes; ${wanted} were wanted for [${dims.join(', ')}] of ${type.name}`,
    );
  return { dims, data: elements(bytes.subarray(start), type.name) };
}

function elements(body: Buffer, type: string): IdxArray['data'] {
  if (type === 'uint8') return new Uint8Array(body.buffer, body.byteOffset, body.length);
  if (type === 'int32') return Int32Array.from({ length: body.length / 4 }, (_, i) => body.readInt32BE(4 * i));
  return Float32Array.from({ length: body.length / 4 }, (_, i) => body.readFloatBE(4 * i));
}

/** @throws UserError 2 for a missing file, 65 for one that is no sound IDX file or does not match the other */
export async function openIdx(inputsPath: string, beside: BesidePaths = {}): Promise<Source> {
  const inputs = decodeIdx(inputsPath, await readDataFile(inputsPath));
  const [samples = 0, ...shape] = inputs.dims;
  const told = await readBeside(beside, { file: inputsPath, samples }, async (path) =>
    decodeIdx(path, await readDataFile(path)),
  );
  const size = shape.reduce((product, dim) => product * dim, 1);
  const { data } = inputs;
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

/**
 * Writes an .npz archive of float32 arrays, stored, piece by piece, so that labels of any size never lie in memory
 * together. Archives over 4 GiB are zip64. Format: numpy's format document (NEP 1) in a zip archive.
 */
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';
import { elementsIn } from '../../shared/shape.js';

export interface NpzArray {
  readonly name: string;
  readonly dims: readonly number[];
  /** The array's values in order, cut into pieces of any lengths. A piece that was given must not be changed. */
  readonly pieces: AsyncIterable<Float32Array> | Iterable<Float32Array>;
}

/** The same for every file, so that the same arrays give the same bytes. It is the first date that zip knows. */
const mtime = new Date(1980, 0, 1);

/**
 * Ends when the file's bytes are on the disk.
 * @throws whatever the pieces throw, and the system's error when the file cannot be written
 */
export async function writeNpz(path: string, arrays: readonly NpzArray[]): Promise<void> {
  const archive = new ZipFile();
  const { outputStream } = archive;
  const fail = (error: Error): void => void outputStream.emit('error', error);
  archive.on('error', fail);
  const inputs: Readable[] = [];
  for (const array of arrays) {
    const header = npyHeader(array.dims);
    const size = header.length + 4 * elementsIn(array.dims);
    archive.addReadStreamLazy(
      `${array.name}.npy`,
      { compress: false, forceDosTimestamp: true, mtime, size },
      (start) => {
        const input = Readable.from(npyBytes(header, array), { objectMode: false }).on('error', fail);
        inputs.push(input);
        start(null, input);
      },
    );
  }
  archive.end();
  try {
    await pipeline(outputStream, createWriteStream(path, { flush: true }));
  } finally {
    // After a failed write nobody reads the current array to its end.
    for (const input of inputs) input.destroy();
  }
}

async function* npyBytes(header: Buffer, { pieces }: NpzArray): AsyncGenerator<Buffer> {
  yield header;
  for await (const piece of pieces) yield Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
}

function npyHeader(dims: readonly number[]): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${dims.map((dim) => `${dim},`).join(' ')}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const head = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, length & 255, length >> 8]);
  return Buffer.concat([head, Buffer.from(`${text.padEnd(length - 1)}\n`)]);
}

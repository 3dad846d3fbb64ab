/**
 * An .npz archive of float32 arrays, stored, written piece by piece. Source: numpy's format document (NEP 1), PKWARE's
 * APPNOTE 4.3.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { UserError } from '../errors.js';

export interface NpzArray {
  readonly name: string;
  readonly dims: readonly number[];
  /** The array's values, in order, in as many pieces as one likes. */
  readonly pieces: AsyncIterable<Float32Array> | Iterable<Float32Array>;
}

interface Entry {
  readonly name: Buffer;
  readonly at: number;
  readonly size: number;
  readonly crc: number;
}

const largest = 2 ** 32 - 2 ** 20;

/** @throws UserError 2 for more than 4 GiB, which need another format */
export async function writeNpz(path: string, arrays: readonly NpzArray[]): Promise<void> {
  const file = await open(path, 'w');
  try {
    const entries: Entry[] = [];
    let at = 0;
    for (const array of arrays) {
      const bytes = 4 * array.dims.reduce((product, dim) => product * dim, 1);
      if (at + bytes > largest)
        throw new UserError(`${path}: ${bytes} bytes of ${array.name}; an .npz file of less than 4 GiB was wanted`);
      const entry = await writeMember(file, array, at);
      entries.push(entry);
      at += 30 + entry.name.length + entry.size;
    }
    await file.write(directoryOf(entries, at), 0, undefined, at);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writeMember(file: FileHandle, { name, dims, pieces }: NpzArray, at: number): Promise<Entry> {
  const member = Buffer.from(`${name}.npy`);
  const header = npyHeader(dims);
  const from = at + 30 + member.length;
  await file.write(header, 0, undefined, from);
  let [size, crc] = [header.length, crc32(header)];
  for await (const piece of pieces) {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    await file.write(bytes, 0, undefined, from + size);
    size += bytes.length;
    crc = crc32(bytes, crc);
  }
  const entry = { name: member, at, size, crc };
  await file.write(localHeader(entry), 0, undefined, at);
  return entry;
}

function npyHeader(dims: readonly number[]): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${dims.map((dim) => `${dim},`).join(' ')}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const head = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, length & 255, length >> 8]);
  return Buffer.concat([head, Buffer.from(`${text.padEnd(length - 1)}\n`)]);
}

function localHeader({ name, size, crc }: Entry): Buffer {
  const head = Buffer.alloc(30);
  head.writeUInt32LE(0x04034b50, 0);
  head.writeUInt16LE(20, 4);
  head.writeUInt16LE(0x21, 12);
  head.writeUInt32LE(crc, 14);
  head.writeUInt32LE(size, 18);
  head.writeUInt32LE(size, 22);
  head.writeUInt16LE(name.length, 26);
  return Buffer.concat([head, name]);
}

function directoryOf(entries: readonly Entry[], at: number): Buffer {
  const heads = entries.map(({ name, at: memberAt, size, crc }) => {
    const head = Buffer.alloc(46);
    head.writeUInt32LE(0x02014b50, 0);
    head.writeUInt16LE(20, 4);
    head.writeUInt16LE(20, 6);
    head.writeUInt16LE(0x21, 14);
    head.writeUInt32LE(crc, 16);
    head.writeUInt32LE(size, 20);
    head.writeUInt32LE(size, 24);
    head.writeUInt16LE(name.length, 28);
    head.writeUInt32LE(memberAt, 42);
    return Buffer.concat([head, name]);
  });
  const body = Buffer.concat(heads);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(body.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([body, end]);
}

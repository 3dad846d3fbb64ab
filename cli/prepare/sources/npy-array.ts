/**
 * Reads NumPy's arrays of numbers or texts: an .npy file, or a member of an .npz archive. An array is filled while its
 * bytes arrive, so that one of little-endian numbers in C order lies in memory once. Format: numpy's format document (NEP 1).
 */
import { counted } from '../../../shared/counted.js';
import { stat } from 'node:fs/promises';
import type { UserError } from '../../../shared/errors.js';
import { elementsIn } from '../../../shared/shape.js';
import { openZip, ZipError, type ZipEntry, type ZipProblem } from '../../../shared/zip.js';
import { damaged, fileError } from './file-errors.js';
import type { NumberArray, StoredArray } from './arrays.js';
import { arrayBufferIn, bytesIn, spooled, type RangedBytes } from './ranged-bytes.js';
import type { Spool } from './spool.js';
import { unpackedLimit, unpacksToMore } from './unpacking.js';
import { npyType, inOrderOfC, type NpyType } from './npy-types.js';

/** The bytes of an .npy file in pieces of any lengths. */
export interface NpyBytes {
  readonly sizeBytes: number;
  readonly pieces: AsyncIterable<Buffer> | Iterable<Buffer>;
}

/**
 * @param name names the array in errors
 * @throws UserError 65 for bytes that are no sound array or hold something else than numbers
 */
export async function readNpy(name: string, { sizeBytes, pieces }: NpyBytes): Promise<NumberArray> {
  let head: Buffer = Buffer.alloc(0);
  let layout: NpyLayout | null = null;
  let bytes = new ArrayBuffer(0);
  let at = 0;
  for await (const piece of pieces) {
    if (layout === null) {
      head = head.length === 0 ? piece : Buffer.concat([head, piece]);
      layout = layoutIn(name, head, sizeBytes);
      if (layout === null) continue;
      bytes = new ArrayBuffer(layout.dataBytes);
      at = put(bytes, 0, head.subarray(layout.headerBytes));
    } else at = put(bytes, at, piece);
  }
  if (layout === null) throw noArray(name);
  const { dims, type, isFortran } = layout;
  const data = type.valuesOf(bytes);
  return { dims, data: isFortran ? inOrderOfC(data, dims) : data };
}

/** @returns the place behind the bytes that were put. One view of all bytes cannot be had: it ends at 4 GiB. */
function put(buffer: ArrayBuffer, at: number, bytes: Buffer): number {
  new Uint8Array(buffer, at, bytes.length).set(bytes);
  return at + bytes.length;
}

/** The longest header of an array that is read by range; NumPy's own have some hundred bytes. */
const longestHeader = 2 ** 20;

/**
 * An array whose rows are read by range from bytes that hold an .npy file.
 * @param name names the array in errors
 * @throws UserError 65 for bytes that are no sound array
 */
export function storedNpy(name: string, bytes: RangedBytes): StoredArray {
  const layout = layoutIn(name, bytesIn(bytes, 0, Math.min(longestHeader, bytes.sizeBytes)), bytes.sizeBytes);
  if (layout === null) throw noArray(name);
  const { dims, type, isFortran, headerBytes } = layout;
  const [rows = 1, ...shape] = dims;
  const size = elementsIn(shape);
  const rowBytes = size * type.sizeBytes;
  if (!isFortran || shape.length === 0)
    return {
      dims,
      values: type.values,
      read: (from, to) =>
        type.valuesOf(arrayBufferIn(bytes, headerBytes + from * rowBytes, headerBytes + to * rowBytes)),
    };
  // In Fortran order all rows' first elements lie first, then all rows' second ones.
  return {
    dims,
    values: type.values,
    read: (from, to) => {
      const own = new ArrayBuffer((to - from) * rowBytes);
      const run = (to - from) * type.sizeBytes;
      for (let k = 0; k < size; k++)
        bytes.read(new Uint8Array(own, k * run, run), headerBytes + (k * rows + from) * type.sizeBytes);
      return inOrderOfC(type.valuesOf(own), [to - from, ...shape]);
    },
  };
}

interface NpyLayout {
  readonly headerBytes: number;
  readonly dataBytes: number;
  readonly dims: readonly number[];
  readonly type: NpyType;
  /** Whether the first index runs fastest. */
  readonly isFortran: boolean;
}

/** What the header says; null while `head` does not hold the whole header yet. */
function layoutIn(name: string, head: Buffer, sizeBytes: number): NpyLayout | null {
  const headerAt = (head[6] ?? 1) >= 2 ? 12 : 10;
  if (head.length < Math.min(headerAt, sizeBytes)) return null;
  if (head.length < headerAt || head.toString('latin1', 1, 6) !== 'NUMPY' || head[0] !== 0x93) throw noArray(name);
  const headerBytes = headerAt + (headerAt === 12 ? head.readUInt32LE(8) : head.readUInt16LE(8));
  if (head.length < Math.min(headerBytes, sizeBytes)) return null;
  const { descr, dims, isFortran } = parseHeader(name, head.toString('latin1', headerAt, headerBytes));
  const type = npyType(name, descr);
  const wanted = elementsIn(dims) * type.sizeBytes;
  const there = Math.max(0, sizeBytes - headerBytes);
  if (there !== wanted)
    throw damaged(
      name,
      `${there < wanted ? 'truncated' : 'too long'}: ${counted(there, 'byte')} of data; ${wanted} were wanted for (${dims.join(', ')}) of ${descr}`,
    );
  return { headerBytes, dataBytes: wanted, dims, type, isFortran };
}

function parseHeader(name: string, header: string): { descr: string; dims: number[]; isFortran: boolean } {
  const descr = /'descr':\s*'([^']+)'/.exec(header)?.[1];
  const dims = /'shape':\s*\(([^)]*)\)/
    .exec(header)?.[1]
    ?.split(',')
    .filter((part) => part.trim() !== '')
    .map(Number);
  if (descr === undefined || dims === undefined)
    throw damaged(
      name,
      'an .npy header without a type of elements and a shape (records cannot be read); an array of numbers was wanted',
    );
  const odd = dims.find((dim) => !Number.isSafeInteger(dim) || dim < 0);
  if (odd !== undefined || dims.length > 32)
    throw damaged(
      name,
      `a shape of (${dims.slice(0, 32).join(', ')}); up to 32 whole numbers of at least 0 were wanted`,
    );
  return { descr, dims, isFortran: /'fortran_order':\s*True/.test(header) };
}

function noArray(name: string): UserError {
  return damaged(name, 'no .npy array; the magic \\x93NUMPY was wanted');
}

export interface NpzArchive {
  has(array: string): boolean;
  /**
   * @param name names the array in errors; default: the archive's path and the array's name
   * @throws UserError 65 when the archive has no such array, or it is damaged
   */
  read(array: string, name?: string): Promise<NumberArray>;
  /** Unpacks an array into the spool, to be read by range after the archive is closed. @throws as `read` */
  store(array: string, name: string, spool: Spool): Promise<StoredArray>;
  close(): void;
}

/** Opens an .npz archive, for the caller to close. @throws UserError 2 for no file, 65 for one that is no archive */
export async function openNpz(path: string): Promise<NpzArchive> {
  const archive = await openZip(path).catch((error: unknown) => {
    throw error instanceof ZipError ? badArchive(path, error) : fileError(path, error);
  });
  const { size: fileBytes } = await stat(path);
  const find = (array: string): ZipEntry | undefined => archive.entries.find(({ name }) => name === `${array}.npy`);
  /** @throws UserError 65 when the archive has no such array, or it becomes too much */
  const entryOf = (array: string): ZipEntry => {
    const entry = find(array);
    if (entry === undefined) {
      const names = archive.entries.map((one) => one.name).join(', ');
      throw damaged(path, `no array ${array}.npy in the archive; it holds ${names || 'nothing'}`);
    }
    const limit = unpackedLimit(Math.min(entry.packedBytes, fileBytes));
    if (entry.sizeBytes > limit) throw unpacksToMore(path, limit);
    return entry;
  };
  const explained = async <T>(entry: ZipEntry, reading: Promise<T>): Promise<T> =>
    reading.catch((error: unknown) => {
      throw error instanceof ZipError ? badArchive(path, error, entry) : error;
    });
  return {
    has: (array) => find(array) !== undefined,
    async read(array, name = `${path}#${array}`) {
      const entry = entryOf(array);
      return explained(entry, readNpy(name, { sizeBytes: entry.sizeBytes, pieces: entry.read() }));
    },
    async store(array, name, spool) {
      const entry = entryOf(array);
      return storedNpy(name, await explained(entry, spooled(entry.read(), spool)));
    },
    close: () => archive.close(),
  };
}

function badArchive(path: string, error: ZipError, entry?: ZipEntry): UserError {
  return damaged(path, problemText(error.problem, entry), error);
}

function problemText(problem: ZipProblem, entry: ZipEntry | undefined): string {
  switch (problem) {
    case 'end':
      return 'no zip archive; the end of its directory is missing';
    case 'directory':
      return 'a damaged zip directory';
    case 'method':
      return `zip method ${entry?.method}; stored or deflated was wanted`;
    case 'place':
    case 'packing':
    case 'checksum':
      return 'a damaged zip member';
    default:
      return problem satisfies never;
  }
}

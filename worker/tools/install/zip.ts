/**
 * Takes files out of a zip (a Python wheel is one): the central directory, stored and deflated entries, CRC-32 checked.
 * Writes nowhere but under the folder it is given. Format: PKWARE's APPNOTE, sections 4.3.7 to 4.3.16; no zip64, no
 * encryption.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { Readable, Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createInflateRaw } from 'node:zlib';
import { exitCodes, UserError } from '../../../shared/errors.js';

export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packedBytes: number;
  readonly sizeBytes: number;
  /** Of its local header, from the file's start. */
  readonly offset: number;
}

const endSignature = 0x06054b50;
const endBytes = 22;
const longestComment = 0xffff;
const entrySignature = 0x02014b50;
const entryBytes = 46;
const localSignature = 0x04034b50;
const localBytes = 30;
const stored = 0;
const deflated = 8;
const zip64 = 0xffffffff;

/** Every file in the archive. @throws UserError 65 when it is no zip, or one of a kind that is not read here */
export async function readEntries(path: string): Promise<ZipEntry[]> {
  const file = await open(path, 'r');
  try {
    const end = await findEnd(path, file);
    const directory = await readAt(path, file, end.readUInt32LE(16), end.readUInt32LE(12));
    return parseDirectory(path, directory, end.readUInt16LE(10));
  } finally {
    await file.close();
  }
}

/** The end record: at the end, before a comment of any length up to 64 KiB. */
async function findEnd(path: string, file: FileHandle): Promise<Buffer> {
  const { size } = await file.stat();
  const tailBytes = Math.min(size, endBytes + longestComment);
  const tail = await readAt(path, file, size - tailBytes, tailBytes);
  for (let at = tail.length - endBytes; at >= 0; at -= 1) {
    if (tail.readUInt32LE(at) === endSignature && at + endBytes + tail.readUInt16LE(at + 20) === tail.length)
      return tail.subarray(at);
  }
  throw badZip(path, 'it has no end record: cut short, or no zip');
}

function parseDirectory(path: string, directory: Buffer, count: number): ZipEntry[] {
  const entries: ZipEntry[] = [];
  let at = 0;
  for (let i = 0; i < count; i += 1) {
    if (at + entryBytes > directory.length || directory.readUInt32LE(at) !== entrySignature)
      throw badZip(path, 'its directory is damaged');
    const nameBytes = directory.readUInt16LE(at + 28);
    const next = at + entryBytes + nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
    if (next > directory.length) throw badZip(path, 'its directory is damaged');
    entries.push(parseEntry(directory, at, nameBytes));
    at = next;
  }
  const big = entries.find(({ packedBytes, sizeBytes, offset }) => [packedBytes, sizeBytes, offset].includes(zip64));
  if (big !== undefined) throw badZip(path, `${big.name} is a zip64 entry, which is not read here`);
  return entries;
}

function parseEntry(directory: Buffer, at: number, nameBytes: number): ZipEntry {
  return {
    name: directory.toString('utf8', at + entryBytes, at + entryBytes + nameBytes),
    method: directory.readUInt16LE(at + 10),
    crc: directory.readUInt32LE(at + 16),
    packedBytes: directory.readUInt32LE(at + 20),
    sizeBytes: directory.readUInt32LE(at + 24),
    offset: directory.readUInt32LE(at + 42),
  };
}

/**
 * Writes one entry under `folder`, at its own name, streaming.
 * @throws UserError 65 when its name leaves the folder, its packing is unknown or its bytes are not what the directory
 * says
 */
export async function extractEntry(
  path: string,
  entry: ZipEntry,
  folder: string,
  onBytes: (bytes: number) => void = () => undefined,
): Promise<void> {
  const target = targetOf(path, entry, folder);
  if (entry.method !== stored && entry.method !== deflated)
    throw badZip(path, `${entry.name} is packed by method ${entry.method}; wanted deflate or none`);
  await mkdir(dirname(target), { recursive: true });
  const start = await dataStart(path, entry);
  const check = new Check(onBytes);
  const source =
    entry.packedBytes === 0
      ? Readable.from([])
      : createReadStream(path, { start, end: start + entry.packedBytes - 1, highWaterMark: 2 ** 20 });
  const unpack = entry.method === deflated ? [createInflateRaw({ chunkSize: 2 ** 20 })] : [];
  await pipeline([source, ...unpack, check, createWriteStream(target)]).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z_'))
      throw badZip(path, `${entry.name} does not unpack`, error);
    throw error;
  });
  if (check.bytes !== entry.sizeBytes || check.crc !== entry.crc)
    throw badZip(path, `${entry.name} is damaged: its checksum differs`);
}

function targetOf(path: string, { name }: ZipEntry, folder: string): string {
  const isOutside =
    isAbsolute(name) ||
    name.includes('\\') ||
    name.includes('\0') ||
    name.split('/').some((part) => part === '..' || part === '');
  if (isOutside) throw badZip(path, `the name ${JSON.stringify(name)} does not stay in its folder`);
  return join(folder, name);
}

/** The local header's name and extra field may be longer than the directory's. */
async function dataStart(path: string, { name, offset }: ZipEntry): Promise<number> {
  const file = await open(path, 'r');
  try {
    const header = await readAt(path, file, offset, localBytes);
    if (header.readUInt32LE(0) !== localSignature) throw badZip(path, `${name} is not where the directory says`);
    return offset + localBytes + header.readUInt16LE(26) + header.readUInt16LE(28);
  } finally {
    await file.close();
  }
}

/** Passes bytes on, counting them and taking their CRC-32. */
class Check extends Transform {
  bytes = 0;
  crc = 0;
  readonly #onBytes: (bytes: number) => void;

  constructor(onBytes: (bytes: number) => void) {
    super();
    this.#onBytes = onBytes;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.bytes += chunk.length;
    this.crc = crc32(chunk, this.crc);
    this.#onBytes(chunk.length);
    done(null, chunk);
  }
}

async function readAt(path: string, file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  if (bytesRead !== length) throw badZip(path, 'it is cut short');
  return buffer;
}

function badZip(path: string, reason: string, cause?: unknown): UserError {
  return new UserError(`${path}: ${reason}; a whole wheel was wanted`, exitCodes.data, cause);
}

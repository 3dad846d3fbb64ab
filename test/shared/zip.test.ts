import { createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { ZipFile, type Options } from 'yazl';
import { openZip, ZipError } from '../../shared/zip.js';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-zip-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'a.zip');
const long = Buffer.alloc(300_000, 'a line that packs well ');

/** Writes `first` and `second`, and changes the archive's bytes. */
async function write(options: Partial<Options>, spoil: (bytes: Buffer) => Buffer = (bytes) => bytes): Promise<void> {
  const zip = new ZipFile();
  zip.addBuffer(long, 'first', options);
  zip.addBuffer(Buffer.from('two'), 'second', { ...options, compress: false });
  zip.end({ forceZip64Format: options.forceZip64Format ?? false, comment: '' });
  await pipeline(zip.outputStream, createWriteStream(path));
  writeFileSync(path, spoil(readFileSync(path)));
}

async function readAll(): Promise<[string, Buffer][]> {
  const archive = await openZip(path);
  try {
    const found: [string, Buffer][] = [];
    for (const entry of archive.entries) {
      const pieces: Buffer[] = [];
      for await (const piece of entry.read()) pieces.push(piece);
      found.push([entry.name, Buffer.concat(pieces)]);
    }
    return found;
  } finally {
    archive.close();
  }
}

/** Place of the first entry in the directory. */
const directoryOf = (bytes: Buffer): number => bytes.indexOf(Buffer.from('PK\x01\x02', 'latin1'));

describe('a zip archive', () => {
  it.each([
    ['deflated', {}],
    ['stored', { compress: false }],
    ['zip64', { forceZip64Format: true }],
  ])('gives the bytes of its entries: %s', async (_, options) => {
    await write(options);
    const found = await readAll();
    expect(found.map(([name]) => name)).toEqual(['first', 'second']);
    expect(found.map(([, bytes], i) => bytes.equals([long, Buffer.from('two')][i] ?? long))).toEqual([true, true]);
  });

  it('may be read in part, and entries in any order', async () => {
    await write({});
    const archive = await openZip(path);
    for await (const piece of archive.entries[0]?.read() ?? []) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    for await (const piece of archive.entries[1]?.read() ?? []) expect(piece.toString()).toBe('two');
    archive.close();
  });

  const spoil =
    (change: (bytes: Buffer) => void) =>
    (bytes: Buffer): Buffer => {
      change(bytes);
      return bytes;
    };
  it.each<[string, string, Partial<Options>, (bytes: Buffer) => Buffer]>([
    ['a file that is cut short', 'end', {}, (bytes) => bytes.subarray(0, -9)],
    ['no zip', 'end', {}, () => Buffer.from('a page of HTML')],
    ['a directory that is none', 'directory', {}, spoil((bytes) => bytes.write('no', directoryOf(bytes)))],
    ['no entry at its place', 'place', {}, spoil((bytes) => bytes.write('no', 0))],
    ['another packing', 'method', {}, spoil((bytes) => bytes.writeUInt16LE(12, directoryOf(bytes) + 10))],
    ['an encrypted entry', 'method', {}, spoil((bytes) => bytes.writeUInt16LE(1, directoryOf(bytes) + 8))],
    ['packed bytes that are none', 'packing', {}, spoil((bytes) => bytes.fill(255, 40, 60))],
    ['other bytes', 'checksum', { compress: false }, spoil((bytes) => bytes.write('A', 1000))],
    ['more bytes than it says', 'checksum', {}, spoil((bytes) => bytes.writeUInt32LE(5, directoryOf(bytes) + 24))],
  ])('is refused: %s', async (_, problem, options, change) => {
    await write(options, change);
    const error = await readAll().then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ZipError);
    expect(error).toMatchObject({ problem });
  });

  it('that is not there is the error of the system', async () => {
    await expect(openZip(join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

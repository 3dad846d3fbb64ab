import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ZipEntry } from '../../../../shared/zip.js';
import { extractEntry, openWheel } from '../../../../worker/tools/install/wheel-archive.js';
import { zip, type Member } from './zip-file.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stillhouse-zip-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(bytes: Buffer): string {
  const path = join(folder, 'a.whl');
  writeFileSync(path, bytes);
  return path;
}

/** Closed after the test. */
const opened: { close(): void }[] = [];
afterEach(() => opened.splice(0).forEach((archive) => archive.close()));

async function readEntries(path: string): Promise<readonly ZipEntry[]> {
  const archive = await openWheel(path);
  opened.push(archive);
  return archive.entries;
}

async function extractAll(members: readonly Member[], comment?: string): Promise<Map<string, Buffer>> {
  const path = write(zip(members, comment));
  const out = join(folder, 'out');
  const found = new Map<string, Buffer>();
  for (const entry of await readEntries(path)) {
    await extractEntry(path, entry, out);
    found.set(entry.name, readFileSync(join(out, entry.name)));
  }
  return found;
}

const big = Buffer.alloc(3_000_000, 'a long line of text that packs well ');

describe('a wheel that is unpacked', () => {
  it('takes out stored, deflated and empty entries byte for byte', async () => {
    const members = [
      { name: 'a/b/deflated.txt', data: big },
      { name: 'stored.bin', data: Buffer.from([0, 1, 2, 255]), isStored: true },
      { name: 'empty', data: Buffer.alloc(0), isStored: true },
    ];
    const found = await extractAll(members);
    for (const { name, data } of members) expect(found.get(name)?.equals(data)).toBe(true);
  });

  it('finds the directory before a comment, and data behind a longer local header', async () => {
    const found = await extractAll([{ name: 'x', data: Buffer.from('hello'), extraBytes: 37 }], 'a comment');
    expect(found.get('x')?.toString()).toBe('hello');
  });

  it.each(['../up', '/abs', 'a/../../b', 'a\\b', 'a//b', ''])(
    'refuses the name %j and writes nothing',
    async (name) => {
      const path = write(zip([{ name, data: Buffer.from('x') }]));
      const [entry] = await readEntries(path);
      if (entry === undefined) throw new Error('no entry');
      await expect(extractEntry(path, entry, join(folder, 'out'))).rejects.toMatchObject({
        exitCode: 65,
        message: expect.stringContaining('does not stay in its folder'),
      });
      expect(readdirSync(folder)).toEqual(['a.whl']);
    },
  );

  it.each([
    ['a wrong checksum', zip([{ name: 'x', data: Buffer.from('hello'), crc: 7 }]), 'its checksum differs'],
    ['an unknown packing', zip([{ name: 'x', data: Buffer.from('hello'), method: 12 }]), 'packed by method 12'],
    [
      'deflated data that is none',
      zip([{ name: 'x', data: Buffer.from('hello, hello'), isStored: true, method: 8 }]),
      'does not unpack',
    ],
  ])('refuses %s', async (_what, bytes, message) => {
    const path = write(bytes);
    const [entry] = await readEntries(path);
    if (entry === undefined) throw new Error('no entry');
    await expect(extractEntry(path, entry, join(folder, 'out'))).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringContaining(message),
    });
  });

  it.each([
    ['a file that is no zip', Buffer.from('a page of HTML in place of a wheel'), 'no end record'],
    ['an empty file', Buffer.alloc(0), 'no end record'],
    ['a zip that was cut short', zip([{ name: 'x', data: big }]).subarray(0, 3000), 'no end record'],
    ['a directory that points nowhere', damaged(), 'directory is damaged'],
  ])('refuses %s', async (_what, bytes, message) => {
    await expect(readEntries(write(bytes))).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringContaining(message),
    });
  });
});

/** The directory's first signature is overwritten. */
function damaged(): Buffer {
  const bytes = zip([{ name: 'x', data: Buffer.from('hello') }]);
  bytes.writeUInt32LE(0, bytes.readUInt32LE(bytes.length - 6));
  return bytes;
}

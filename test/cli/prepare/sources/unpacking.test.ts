/** Files that would fill the memory: packed ones that unpack to far more, and sizes that a file only claims. */
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { createGzip, gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openSource } from '../../../../cli/prepare/sources/chosen-source.js';
import { unpackedLimit } from '../../../../cli/prepare/sources/unpacking.js';
import { sourceSchema } from '../../../../shared/recipe/data-schema.js';
import { temporaryFolder } from '../../../worker/fakes.js';

const open = (folder: string, recipe: object): Promise<unknown> => openSource(sourceSchema.parse(recipe), folder);

/** 40 MB of a text over and over, in some ten kilobytes. */
async function bomb(path: string, text: string): Promise<void> {
  const piece = Buffer.alloc(400_000, text);
  await pipeline(
    Readable.from(Array.from({ length: 100 }, () => piece)),
    createGzip({ level: 1 }),
    createWriteStream(path),
  );
}

const bound = 2 ** 22;
const tooMuch = {
  exitCode: 65,
  message: expect.stringMatching(
    /: it unpacks to more than 4194304 bytes, far more than its length tells; .*$/,
  ) as string,
};

beforeEach(() => vi.stubEnv('STILLHOUSE_UNPACKED_BYTES', String(bound)));
afterEach(() => void vi.unstubAllEnvs());

describe('a bomb of gzip', () => {
  it('is refused as CSV, JSONL and arrays', async () => {
    const folder = temporaryFolder();
    await bomb(join(folder, 'x.jsonl.gz'), ' ');
    await expect(open(folder, { format: 'jsonl', inputs: 'x.jsonl.gz' })).rejects.toMatchObject(tooMuch);
    await bomb(join(folder, 'x.csv.gz'), '\n');
    await expect(open(folder, { format: 'csv', inputs: 'x.csv.gz' })).rejects.toMatchObject(tooMuch);
    await bomb(join(folder, 'x.npy'), '\0');
    await expect(open(folder, { format: 'npy', inputs: 'x.npy' })).rejects.toMatchObject(tooMuch);
  });

  it('is read where the bound is set higher, and refused where it is set lower', async () => {
    expect(unpackedLimit(10, {})).toBe(256 * 2 ** 20);
    expect(unpackedLimit(100 * 2 ** 20, {})).toBe(5000 * 2 ** 20);
    expect(unpackedLimit(10, { STILLHOUSE_UNPACKED_BYTES: '12' })).toBe(12);
    expect(() => unpackedLimit(10, { STILLHOUSE_UNPACKED_BYTES: 'all' })).toThrow(
      'STILLHOUSE_UNPACKED_BYTES is all; a number of bytes above 0 was wanted',
    );
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'x.csv.gz'), gzipSync('a,b\n1,2\n'));
    vi.stubEnv('STILLHOUSE_UNPACKED_BYTES', '3');
    await expect(open(folder, { format: 'csv', inputs: 'x.csv.gz' })).rejects.toThrow('more than 3 bytes');
    vi.stubEnv('STILLHOUSE_UNPACKED_BYTES', '');
    await expect(open(folder, { format: 'csv', inputs: 'x.csv.gz' })).resolves.toMatchObject({ samples: 1 });
  });
});

describe('a size that a file only claims', () => {
  it.each(['(1000000000000000000, 2)', '(-1, -2)', '(1.5, 2)', '(1e400,)'])(
    'is refused: an array of %s',
    async (shape) => {
      const folder = temporaryFolder();
      const text = `{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117) + '\n';
      const head = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 118, 0]);
      writeFileSync(join(folder, 'x.npy'), Buffer.concat([head, Buffer.from(text), Buffer.alloc(8)]));
      await expect(open(folder, { format: 'npy', inputs: 'x.npy' })).rejects.toMatchObject({
        exitCode: 65,
        message: expect.not.stringContaining('\n') as string,
      });
    },
  );

  it('is refused: an image of more pixels than a file may unpack to', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'images'));
    const large = { width: 1100, height: 1000, channels: 3 as const, background: { r: 1, g: 2, b: 3 } };
    await sharp({ create: large })
      .png({ compressionLevel: 1 })
      .toFile(join(folder, 'images', 'a.png'));
    await expect(open(folder, { format: 'folder', images: 'images' })).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(/an image of 1000 x 1100; 1048576 pixels at most were wanted/) as string,
    });
  });
});

/** TFRecord and Arrow, as other programs write them: test/reference/tables.py. */
import { appendFileSync, copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import {
  Decimal,
  Dictionary,
  Field,
  Float16,
  Int32,
  List,
  Message,
  Table,
  tableToIPC,
  Utf8,
  type Vector,
  vectorFromArray,
} from 'apache-arrow';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openSource, type SourceOptions } from '../../../../cli/prepare/sources/chosen-source.js';
import { checkMetadata } from '../../../../cli/prepare/sources/arrow-metadata.js';
import { crc32c } from '../../../../shared/crc32c.js';
import { zstdBytes } from '../../../../cli/prepare/sources/zstd-frame.js';
import { unpackLz4 } from '../../../../cli/prepare/sources/lz4-frame.js';
import { sourceSchema } from '../../../../shared/recipe/data-schema.js';
import { temporaryFolder } from '../../../worker/fakes.js';
import { referenceFolder } from '../../../worker/compute/teachers/fixtures.js';
import { exampleOf, recordOf } from './records.js';

let folder = '';
beforeEach(() => {
  folder = temporaryFolder();
  for (const name of ['examples.tfrecord', 'plain.arrows', 'lz4.arrows', 'zstd.arrows', 'many.feather', 'images.arrow'])
    copyFileSync(join(referenceFolder, '..', 'tables', name), join(folder, name));
});

async function read(recipe: object, options: SourceOptions = {}): Promise<object> {
  const source = await openSource(sourceSchema.parse(recipe), folder, options);
  const cut = Math.ceil(source.samples / 2);
  const rows = [...(await source.read(0, cut)), ...(await source.read(cut, source.samples))];
  const { shape, dtype, labels, classNames, weights } = source;
  await source.close();
  return { shape, dtype, labels: [...labels], classNames, weights: weights && [...weights], rows };
}

describe('TFRecord', () => {
  const recipe = { format: 'tfrecord', inputs: 'examples.tfrecord' };

  it('has floats, packed and unpacked, with labels by name and none', async () => {
    expect(await read({ ...recipe, column: 'x', labels: 'kind' })).toMatchObject({
      shape: [2],
      dtype: 'float32',
      labels: [0, -1],
      classNames: ['bee'],
      rows: [0.5, -2, 4, 8.25],
    });
  });

  it('has whole numbers, also negative and great ones', async () => {
    expect(await read({ ...recipe, column: 'ids' })).toMatchObject({ rows: [-1, 300, 2 ** 40, 5] });
    expect(await read({ ...recipe, column: ['ids', 'x'] })).toMatchObject({
      shape: [4],
      rows: [-1, 300, 0.5, -2, 2 ** 40, 5, 4, 8.25],
    });
  });

  it('has images, and bytes of a type that the recipe names', async () => {
    expect(await read({ ...recipe, column: 'image' })).toMatchObject({
      shape: [1, 1, 1],
      dtype: 'uint8',
      rows: [7, 9],
    });
    expect(await read({ ...recipe, column: 'raw', shape: [2], dtype: 'float32' })).toMatchObject({
      shape: [2],
      dtype: 'float32',
      rows: [1.5, -3, 8, 9],
    });
    expect(await read({ ...recipe, column: 'raw', shape: [8] })).toMatchObject({ shape: [8], dtype: 'uint8' });
    await expect(read({ ...recipe, column: 'raw', shape: [3], dtype: 'int32' })).rejects.toThrow(
      /row 0, raw holds 8 bytes; 12 were wanted for shape \[3\] of int32/,
    );
  });

  it('is read when it is packed', async () => {
    writeFileSync(join(folder, 'x.tfrecord.gz'), gzipSync(readFileSync(join(folder, 'examples.tfrecord'))));
    expect(await read({ ...recipe, inputs: 'x.tfrecord.gz', column: 'x' })).toMatchObject({ rows: [0.5, -2, 4, 8.25] });
  });

  const flip = (at: number): void => {
    const bytes = readFileSync(join(folder, 'examples.tfrecord'));
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(join(folder, 'examples.tfrecord'), bytes);
  };
  const path = (): string => join(folder, 'examples.tfrecord');
  it.each<[string, () => void, RegExp]>([
    ['a changed length', () => flip(0), /no TFRecord at byte 0: the checksum of a length is wrong/],
    ['a changed byte', () => flip(40), /the checksum of record 0 is wrong/],
    ['a changed checksum', () => flip(readFileSync(path()).length - 1), /the checksum of record 1 is wrong/],
    ['a cut', () => truncateSync(path(), readFileSync(path()).length - 3), /it ends within record 1, at byte \d+/],
    ['a cut head', () => appendFileSync(path(), 'x'), /it ends within record 2, at byte \d+/],
    [
      'another message',
      () => appendFileSync(path(), recordOf(Buffer.from('no message'))),
      /record 2 is no tf\.train\.Example/,
    ],
    [
      'a row of another length',
      () => appendFileSync(path(), recordOf(exampleOf({ x: [1.5] }))),
      /row 2, x has length 1, and 2 in the first row/,
    ],
  ])('is refused with %s', async (_, damage, message) => {
    damage();
    await expect(read({ ...recipe, column: 'x', labels: 'kind' })).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(message),
    });
  });
});

describe('CRC-32C', () => {
  // RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
  it.each<[string, Uint8Array, number]>([
    ['32 zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 ones', new Uint8Array(32).fill(255), 0x62a8ab43],
    ['rising bytes', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ['digits', Buffer.from('123456789'), 0xe3069283],
  ])('of %s is that of the standard', (_, bytes, crc) => {
    expect(crc32c(bytes)).toBe(crc);
  });
});

describe('Arrow', () => {
  const x = Array.from({ length: 40 }, (_, i) => [i, i + 0.5, -1]).flat();

  it.each(['plain', 'lz4', 'zstd'])('has lists, names and weights in several batches of a stream: %s', async (name) => {
    const recipe = { format: 'arrow', inputs: `${name}.arrows`, column: 'x', labels: 'kind', weights: 'w' };
    expect(await read(recipe)).toEqual({
      shape: [3],
      dtype: 'float32',
      labels: Array.from({ length: 40 }, (_, i) => [1, 0, -1][i % 3]),
      classNames: ['ant', 'bee'],
      weights: Array.from({ length: 40 }, (_, i) => i / 2),
      rows: x,
    });
  });

  it('has lists of own lengths where the recipe pads them', async () => {
    const pad = { long: { length: 3, value: -7 } };
    expect(await read({ format: 'arrow', inputs: 'plain.arrows', column: 'long', pad, limit: 4 })).toMatchObject({
      rows: [-7, -7, -7, 0, -7, -7, 0, 1, -7, 0, 1, 2],
    });
  });

  it('has numbers of Feather, which packs them', async () => {
    const { rows } = (await read({ format: 'arrow', inputs: 'many.feather' })) as { rows: number[] };
    expect(rows).toEqual(Array.from({ length: 30_000 }, (_, i) => i % 7));
  });

  it('has images from bytes and path, with the names of the classes', async () => {
    expect(await read({ format: 'arrow', inputs: 'images.arrow', labels: 'label' })).toMatchObject({
      shape: [1, 1, 1],
      dtype: 'uint8',
      labels: [1, 0],
      classNames: ['zebra', 'ant'],
      rows: [7, 9],
    });
  });

  it.each<[string, (path: string) => void, RegExp]>([
    ['that is cut short', (path) => truncateSync(path, 2000), /it ends within what begins at byte \d+/],
    ['without batches', (path) => truncateSync(path, 0), /no record batches; some were wanted/],
    ['with other bytes', (path) => writeFileSync(path, Buffer.alloc(500, 7)), /it ends within what begins at byte 0/],
    [
      'with a damaged schema',
      (path) => {
        const bytes = readFileSync(path);
        bytes.fill(255, 8, 60);
        writeFileSync(path, bytes);
      },
      /plain\.arrows: /,
    ],
  ])('is refused %s', async (_, damage, message) => {
    damage(join(folder, 'plain.arrows'));
    await expect(read({ format: 'arrow', inputs: 'plain.arrows', column: 'x' })).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(message),
    });
  });
});

describe('numbers of Arrow', () => {
  const write = (columns: Record<string, Vector>, form: 'stream' | 'file' = 'stream'): void =>
    writeFileSync(join(folder, 'own.arrow'), tableToIPC(new Table(columns), form));
  const own = { format: 'arrow', inputs: 'own.arrow' };

  it('are those that halves of precision stand for, alone and in lists', async () => {
    const half = new Float16();
    const lists = new List(new Field('item', half, true));
    write({
      x: vectorFromArray(
        [
          [1.5, -2],
          [0.25, 8],
        ],
        lists,
      ),
      y: vectorFromArray([0.5, 3], half),
    });
    expect(await read({ ...own, column: ['x', 'y'] })).toMatchObject({ rows: [1.5, -2, 0.5, 0.25, 8, 3] });
  });

  it('are decimals by their scale, alone and in lists', async () => {
    const type = new Decimal(2, 20, 128);
    const of = (value: bigint): Uint32Array =>
      Uint32Array.from([0n, 1n, 2n, 3n], (word) => Number(BigInt.asUintN(32, value >> (32n * word))));
    write({
      a: vectorFromArray([of(12345n), of(-150n)], type),
      b: vectorFromArray(
        [
          [of(25n), of(-(2n ** 70n))],
          [of(0n), of(100n)],
        ],
        new List(new Field('item', type, true)),
      ),
    });
    expect(await read(own)).toMatchObject({
      shape: [3],
      rows: [123.45, 0.25, -(2 ** 70) / 100, -1.5, 0, 1].map(Math.fround),
    });
  });

  it('are read from files with their schema in the footer alone, as JavaScript writes them', async () => {
    const names = new Dictionary(new Utf8(), new Int32());
    write({ x: vectorFromArray([4, 5, 6], new Int32()), y: vectorFromArray(['a', 'b', 'a'], names) }, 'file');
    expect(await read({ ...own, labels: 'y' })).toMatchObject({
      rows: [4, 5, 6],
      labels: [0, 1, 0],
      classNames: ['a', 'b'],
    });
    const bytes = readFileSync(join(folder, 'own.arrow'));
    bytes.writeInt32LE(2 ** 30, bytes.length - 10);
    writeFileSync(join(folder, 'own.arrow'), bytes);
    await expect(read(own)).rejects.toMatchObject({ exitCode: 65 });
  });

  it('are refused where a batch of a dictionary has fewer bytes than none', async () => {
    const names = new Dictionary(new Utf8(), new Int32());
    write({ y: vectorFromArray(['a', 'b', 'a'], names) });
    const bytes = readFileSync(join(folder, 'own.arrow'));
    const at = 8 + bytes.readUInt32LE(4);
    const length = Message.decode(bytes.subarray(at + 8, at + 8 + bytes.readUInt32LE(at + 4))).bodyLength;
    const place = bytes.indexOf(Buffer.from(BigInt64Array.of(BigInt(length)).buffer), at + 8);
    bytes.writeBigInt64LE(-BigInt(8 + bytes.readUInt32LE(at + 4)), place);
    writeFileSync(join(folder, 'own.arrow'), bytes);
    await expect(read(own)).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(/own\.arrow: -\d+ bytes after what begins at byte \d+/),
    });
  });
});

describe('packed batches of Arrow', () => {
  afterEach(() => vi.unstubAllEnvs());

  it.each(['lz4', 'zstd'])('are refused where they unpack to more than is allowed: %s', async (name) => {
    const recipe = { format: 'arrow', inputs: `${name}.arrows`, column: 'x' };
    vi.stubEnv('STILLHOUSE_UNPACKED_BYTES', '100');
    await expect(read(recipe)).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(/arrows: it unpacks to more than 100 bytes, far more than its length tells/),
    });
    vi.stubEnv('STILLHOUSE_UNPACKED_BYTES', '100000');
    expect(await read(recipe)).toMatchObject({ shape: [3] });
  });

  it.each<[string, number[], number]>([
    ['a size that is told', [0xa0, 0, 0, 0, 128, 1, 0, 0], 2 ** 31],
    ['a window', [0, 0x98, 1, 0, 0], 2 ** 29],
    ['one byte many times', [0, 0, 0xfb, 0xff, 0xff, 7], 2 ** 21 - 1],
    ['packed blocks', [0, 0, 8 + 4, 0, 0, 9, 8 + 4 + 1, 0, 0, 9], 2 ** 18],
  ])('of Zstandard tell before how long they become: %s', (_, frame, bytes) => {
    expect(zstdBytes(Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd, ...frame]))).toBe(bytes);
  });
});

describe('metadata of Arrow', () => {
  /** The metadata of the first record batch of a stream, from its place on. */
  const batchIn = (bytes: Buffer): number => {
    for (let at = 0; ;) {
      const length = bytes.readUInt32LE(at + 4);
      const metadata = bytes.subarray(at + 8, at + 8 + length);
      checkMetadata(metadata);
      const message = Message.decode(metadata);
      if (message.isRecordBatch()) return at + 8;
      at += 8 + length + message.bodyLength;
    }
  };

  it.each([0, 1])('is refused where a list of a record batch is longer than it: %i', async (list) => {
    const path = join(folder, 'plain.arrows');
    const bytes = readFileSync(path);
    const at = batchIn(bytes);
    // The lists of nodes and buffers are the only numbers of their lengths that a first look finds.
    const lengths = [...Array(80).keys()].map((i) => at + 4 * i).filter((i) => [11, 6].includes(bytes.readUInt32LE(i)));
    const [place = 0] = lengths.slice(list);
    bytes.writeUInt32LE(2 ** 24, place);
    writeFileSync(path, bytes);
    await expect(read({ format: 'arrow', inputs: 'plain.arrows', column: 'x' })).rejects.toMatchObject({
      exitCode: 65,
      cause: expect.objectContaining({ message: 'a list that does not fit into its metadata' }),
    });
  });
});

describe('frames of LZ4', () => {
  const frame = (...bytes: number[]): Uint8Array => Uint8Array.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0, ...bytes]);

  it('have literals, matches that overlap, and blocks that are not packed', () => {
    // Literals "ab", then 6 bytes from 2 back; the last sequence has literals alone.
    const packed = [0x22, 97, 98, 2, 0, 0x10, 99];
    const plain = [120, 121];
    const found = unpackLz4(frame(7, 0, 0, 0, ...packed, 2, 0, 0, 0x80, ...plain, 0, 0, 0, 0));
    expect(Buffer.from(found).toString()).toBe('ababababcxy');
  });

  it.each<[string, Uint8Array]>([
    ['no frame', Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)],
    ['a cut block', frame(7, 0, 0, 0, 0x22, 97)],
    ['no end', frame(7, 0, 0, 0, 0x22, 97, 98, 2, 0, 0x10, 99)],
    ['a match before the start', frame(7, 0, 0, 0, 0x22, 97, 98, 3, 0, 0x10, 99, 0, 0, 0, 0)],
    ['a cut sequence', frame(3, 0, 0, 0, 0x32, 97, 98, 0, 0, 0, 0)],
    ['more than a block may hold', frame(9, 0, 0, 0, 0x1f, 97, 1, 0, 255, 255, 255, 255, 0)],
  ])('are refused: %s', (_, bytes) => {
    expect(() => unpackLz4(bytes)).toThrow(RangeError);
  });
});

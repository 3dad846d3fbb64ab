import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { readLabelFile } from '../../../cli/prepare/label-file.js';
import { writeNpz, type NpzArray } from '../../../coordinator/labels/npz-file.js';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-label-file-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'labels.npz');
const arrayOf = (name: string, dims: readonly number[], values: readonly number[]): NpzArray => ({
  name,
  dims,
  pieces: [Float32Array.from(values)],
});

/** The members of a zip archive with their stored bytes, read by the directory at its end. */
function entriesOf(zip: Buffer): { name: string; method: number; crc: number; bytes: Buffer }[] {
  const end = zip.length - 22;
  let at = zip.readUInt32LE(end + 16);
  return Array.from({ length: zip.readUInt16LE(end + 10) }, () => {
    const [nameBytes, local] = [zip.readUInt16LE(at + 28), zip.readUInt32LE(at + 42)];
    const from = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const entry = {
      name: zip.toString('utf8', at + 46, at + 46 + nameBytes),
      method: zip.readUInt16LE(at + 10),
      crc: zip.readUInt32LE(at + 16),
      bytes: zip.subarray(from, from + zip.readUInt32LE(at + 24)),
    };
    at += 46 + nameBytes + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
    return entry;
  });
}

describe('a file of labels', () => {
  it('gives logits as they are', async () => {
    await writeNpz(path, [arrayOf('logits', [2, 3], [1, 2, 3, -4, 5.5, 6])]);
    expect(await readLabelFile(path)).toEqual({
      samples: 2,
      classes: 3,
      form: 'logits',
      logits: Float32Array.of(1, 2, 3, -4, 5.5, 6),
      temperature: null,
    });
  });

  it("gives probabilities as their logs, 0 as the smallest normal number's", async () => {
    await writeNpz(path, [arrayOf('probabilities', [2, 2], [0.25, 0.75, 1, 0])]);
    const { logits } = await readLabelFile(path);
    expect([...logits].map((log) => Math.exp(log))).toEqual([0.25, 0.75, 1, 0].map((p) => expect.closeTo(p, 6)));
    expect(logits[3]).toBeCloseTo(-87.3365, 3);
  });

  const parquet = (name: string, rows: unknown[]): void => {
    const schema = [
      { name: 'root', num_children: 1 },
      { name, repetition_type: 'REQUIRED', converted_type: 'LIST', num_children: 1 },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', type: 'DOUBLE', repetition_type: 'REQUIRED' },
    ] as const;
    writeFileSync(
      join(folder, 'labels.parquet'),
      Buffer.from(
        parquetWriteBuffer({ columnData: [{ name, data: rows }], schema: schema.map((element) => ({ ...element })) }),
      ),
    );
  };

  it('may be Parquet with a list of numbers in each row', async () => {
    parquet('logits', [
      [1, 2, 3],
      [-4, 5.5, 6],
    ]);
    expect(await readLabelFile(join(folder, 'labels.parquet'))).toEqual({
      samples: 2,
      classes: 3,
      form: 'logits',
      logits: Float32Array.of(1, 2, 3, -4, 5.5, 6),
      temperature: null,
    });
    parquet('probabilities', [
      [0.5, 0.5],
      [0.25, 0.75],
    ]);
    expect([...(await readLabelFile(join(folder, 'labels.parquet'))).logits].map(Math.exp)).toEqual(
      [0.5, 0.5, 0.25, 0.75].map((p) => expect.closeTo(p, 6)),
    );
  });

  it.each([
    ['lists of two lengths', 'logits', [[1, 2], [1]], /row 1 of logits is no list of 2 numbers/],
    ['another column', 'scores', [[1]], /no column logits or probabilities/],
  ])('is refused when Parquet with %s', async (_case, name, rows, message) => {
    parquet(name, rows);
    await expect(readLabelFile(join(folder, 'labels.parquet'))).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(message),
    });
  });

  it('says at which temperature its labels are softened already', async () => {
    await writeNpz(path, [arrayOf('logits', [1, 2], [-1, -0.5]), arrayOf('temperature', [1], [4])]);
    expect((await readLabelFile(path)).temperature).toBe(4);
  });

  it('comes in pieces of any length, and is what unzip takes for sound', async () => {
    async function* pieces(): AsyncGenerator<Float32Array> {
      yield Float32Array.of(1, 2, 3);
      yield Float32Array.of(4);
    }
    await writeNpz(path, [{ name: 'logits', dims: [2, 2], pieces: pieces() }]);
    expect([...(await readLabelFile(path)).logits]).toEqual([1, 2, 3, 4]);
    const [entry] = entriesOf(readFileSync(path));
    expect(entry).toMatchObject({ name: 'logits.npy', method: 0 });
    expect(entry?.bytes.length).toBe(128 + 16);
    expect(crc32(entry?.bytes ?? '')).toBe(entry?.crc);
  });

  it('is not written to its end when its pieces fail', async () => {
    async function* pieces(): AsyncGenerator<Float32Array> {
      yield Float32Array.of(1, 2, 3);
      throw new Error('no more');
    }
    await expect(writeNpz(path, [{ name: 'logits', dims: [2, 2], pieces: pieces() }])).rejects.toThrow('no more');
    await expect(readLabelFile(path)).rejects.toMatchObject({ exitCode: 65 });
    await expect(writeNpz(join(folder, 'none', 'a.npz'), [arrayOf('logits', [1], [1])])).rejects.toMatchObject({
      code: 'ENOENT',
    });
  });

  it('has the same bytes whenever it is written', async () => {
    const digest = async (): Promise<string> => {
      await writeNpz(path, [arrayOf('logits', [1, 2], [-1, -0.5]), arrayOf('temperature', [1], [4])]);
      return createHash('sha256').update(readFileSync(path)).digest('hex');
    };
    vi.useFakeTimers({ toFake: ['Date'], now: new Date('2031-05-06') });
    try {
      const first = await digest();
      vi.setSystemTime(new Date('2032-07-08'));
      expect(await digest()).toBe(first);
    } finally {
      vi.useRealTimers();
    }
  });

  it.each([
    ['no such array', [arrayOf('other', [1, 1], [1])], 65, /no array logits or probabilities/],
    ['one dimension', [arrayOf('logits', [2], [1, 2])], 65, /of shape \[2\]; \[samples x classes\] was wanted/],
    ['three dimensions', [arrayOf('logits', [1, 1, 2], [1, 2])], 65, /\[samples x classes\] was wanted/],
    ['a NaN', [arrayOf('logits', [1, 2], [1, Number.NaN])], 65, /logits of sample 0, class 1 is NaN/],
    ['a negative probability', [arrayOf('probabilities', [1, 2], [1.5, -0.5])], 65, /a number from 0 to 1 was wanted/],
    [
      'probabilities that sum to 2',
      [arrayOf('probabilities', [2, 2], [0.5, 0.5, 1, 1])],
      65,
      /probabilities of sample 1 sum to 2/,
    ],
  ])('with %s is refused', async (_case, arrays, exitCode, message) => {
    await writeNpz(path, arrays);
    await expect(readLabelFile(path)).rejects.toMatchObject({ exitCode, message: expect.stringMatching(message) });
  });

  it.each([
    ['gone.npz', 2],
    ['gone.parquet', 2],
    ['labels.csv', 2],
    ['junk.npz', 65],
    ['junk.parquet', 65],
  ])('%s is refused with exit code %i', async (name, exitCode) => {
    if (name.startsWith('junk')) writeFileSync(join(folder, name), 'nothing of the kind, over a few bytes');
    await expect(readLabelFile(join(folder, name))).rejects.toMatchObject({ exitCode });
  });
});

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { UserError } from '../../../../shared/errors.js';
import { writeShards } from '../../../../cli/prepare/shards.js';
import { Samples, normalise } from '../../../../shared/data/samples.js';
import { openSource } from '../../../../cli/prepare/sources/chosen-source.js';
import type { SourceRecipe } from '../../../../shared/recipe/schema.js';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-data-'));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, bytes: Uint8Array | string): string {
  writeFileSync(join(folder, name), bytes);
  return name;
}

function idx(dims: readonly number[], data: readonly number[]): Buffer {
  const head = Buffer.alloc(4 + 4 * dims.length);
  head[2] = 8;
  head[3] = dims.length;
  dims.forEach((dim, i) => head.writeUInt32BE(dim, 4 + 4 * i));
  return Buffer.concat([head, Buffer.from(data)]);
}

function npy(descr: string, shape: string, body: ArrayBufferView): Buffer {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`;
  const header = Buffer.from(text.padEnd(64 - 11, ' ') + '\n', 'latin1');
  const head = Buffer.from('\x93NUMPY\x01\x00', 'latin1');
  const length = Buffer.alloc(2);
  length.writeUInt16LE(header.length);
  return Buffer.concat([head, length, header, Buffer.from(body.buffer, body.byteOffset, body.byteLength)]);
}

/** A zip archive with deflated members. */
function zip(members: Readonly<Record<string, Buffer>>): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, content] of Object.entries(members)) {
    const packed = deflateRawSync(content);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(8, 8);
    local.writeUInt16LE(name.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(8, 10);
    entry.writeUInt32LE(crc32(content), 16);
    entry.writeUInt32LE(packed.length, 20);
    entry.writeUInt32LE(content.length, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(at, 42);
    locals.push(local, Buffer.from(name), packed);
    directory.push(entry, Buffer.from(name));
    at += 30 + name.length + packed.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(members).length, 10);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...locals, ...directory, end]);
}

const images = idx([3, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
write('images', images);
write('images.gz', gzipSync(images));
write('labels', idx([3], [0, 1, 2]));

const read = async (recipe: SourceRecipe): Promise<{ shape: readonly number[]; labels: number[]; rows: number[] }> => {
  const source = await openSource(recipe, folder);
  return { shape: source.shape, labels: [...source.labels], rows: [...(await source.read(0, source.samples))] };
};

describe('IDX', () => {
  it.each(['images', 'images.gz'])('is read plain or packed: %s', async (name) => {
    const found = await read({ format: 'idx', images: name, labels: 'labels' });
    expect(found).toEqual({ shape: [2, 2, 1], labels: [0, 1, 2], rows: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] });
  });
  it('takes the first `limit` samples, and keeps the labels of the first `labelled`', async () => {
    const recipe = { format: 'idx', images: 'images', labels: 'labels', limit: 2, labelled: { first: 1 } } as const;
    expect((await read(recipe)).labels).toEqual([0, -1]);
  });
});

describe('NPY and NPZ', () => {
  write('x.npy', npy('<f4', '(2, 3)', Float32Array.from([1, 2, 3, 4, 5, 6])));
  write('y.npy', npy('<i8', '(2,)', BigInt64Array.from([1n, -1n])));
  write(
    'set.npz',
    zip({
      'x.npy': npy('<f8', '(2, 3)', Float64Array.from([1, 2, 3, 4, 5, 6])),
      'y.npy': npy('|u1', '(2,)', Uint8Array.from([1, 0])),
    }),
  );
  it('are read with labels of -1 as none', async () => {
    expect(await read({ format: 'npy', inputs: 'x.npy', labels: 'y.npy' })).toEqual({
      shape: [3],
      labels: [1, -1],
      rows: [1, 2, 3, 4, 5, 6],
    });
  });
  it('are read from an archive by name', async () => {
    expect(await read({ format: 'npy', inputs: 'set.npz#x', labels: 'set.npz#y' })).toEqual({
      shape: [3],
      labels: [1, 0],
      rows: [1, 2, 3, 4, 5, 6],
    });
  });
});

describe('CSV', () => {
  write('a.csv', 'a,b,label\n1,2,0\n3,4.5,\n');
  it('takes the label from its column and an empty cell as none', async () => {
    expect(await read({ format: 'csv', inputs: 'a.csv', labels: 'label', header: true, delimiter: ',' })).toEqual({
      shape: [2],
      labels: [0, -1],
      rows: [1, 2, 3, 4.5],
    });
  });
});

describe('what a source may choose', () => {
  it('is the labelled samples alone, wherever they stand', async () => {
    write('scattered.csv', ['1,10,', '2,20,1', '3,30,', '4,40,0', '5,50,1'].join('\n'));
    expect(
      await read({
        format: 'csv',
        inputs: 'scattered.csv',
        labels: 2,
        header: false,
        delimiter: ',',
        onlyLabelled: true,
      }),
    ).toEqual({ shape: [2], labels: [1, 0, 1], rows: [2, 20, 4, 40, 5, 50] });
  });

  it('is the shape: images get their channel, inputs are taken as they are', async () => {
    write(
      'matrix.npy',
      npy(
        '|u1',
        '(2, 2, 3)',
        Uint8Array.from({ length: 12 }, (_, i) => i),
      ),
    );
    expect((await read({ format: 'npy', inputs: 'matrix.npy' })).shape).toEqual([2, 3]);
    expect((await read({ format: 'npy', images: 'matrix.npy' })).shape).toEqual([2, 3, 1]);
    write('series.csv', '1,2,3,4,5,6,0\n');
    expect(
      (await read({ format: 'csv', inputs: 'series.csv', labels: 6, header: false, delimiter: ',', shape: [2, 3] }))
        .shape,
    ).toEqual([2, 3]);
  });

  it('is whole numbers of any width that fit, and no others', async () => {
    write('wide.npy', npy('<i8', '(2, 1)', BigInt64Array.of(5n, -7n)));
    expect((await read({ format: 'npy', inputs: 'wide.npy' })).rows).toEqual([5, -7]);
    write('wider.npy', npy('<i8', '(2, 1)', BigInt64Array.of(5n, 2n ** 40n)));
    await expect(read({ format: 'npy', inputs: 'wider.npy' })).rejects.toThrow(
      /wider\.npy: element 1 is 1099511627776; a whole number from/,
    );
    write('far.npy', npy('<i8', '(2,)', BigInt64Array.of(0n, 2n ** 32n)));
    await expect(read({ format: 'npy', inputs: 'wide.npy', labels: 'far.npy' })).rejects.toThrow(
      /far\.npy: sample 1 has label 4294967296/,
    );
  });
});

describe('a bad file', () => {
  write('cut', images.subarray(0, 20));
  write('long', Buffer.concat([images, Buffer.from([0])]));
  write('odd', Buffer.from('hello world'));
  write('two', idx([2], [0, 1]));
  write('bad.gz', Buffer.concat([gzipSync(images).subarray(0, 20)]));
  const archive = zip({ 'x.npy': npy('<f4', '(2,)', new Float32Array(2)) });
  const directoryAt = archive.indexOf(Buffer.from('PK\x01\x02', 'latin1'));
  const spoilt = (at: number): Buffer => Buffer.from(archive.map((byte, i) => (i === at ? byte ^ 1 : byte)));
  write('crc.npz', spoilt(directoryAt + 16));
  write('directory.npz', spoilt(directoryAt));
  write('odd.npz', 'hello world');
  write('words.csv', 'a,b\n1,two\n');
  write('ragged.csv', 'a,b\n1,2,3\n');
  const csv = { format: 'csv', header: true, delimiter: ',' } as const;
  it.each<[string, SourceRecipe, number, RegExp]>([
    ['a missing file', { format: 'idx', images: 'none' }, 2, /none: no such file/],
    [
      'a truncated IDX',
      { format: 'idx', images: 'cut' },
      65,
      /cut: truncated: 20 bytes; 28 were wanted for \[3, 2, 2\] of uint8/,
    ],
    ['a long IDX', { format: 'idx', images: 'long' }, 65, /too long: 29 bytes; 28/],
    ['no IDX', { format: 'idx', images: 'odd' }, 65, /no IDX file/],
    ['labels of another number', { format: 'idx', images: 'images', labels: 'two' }, 65, /2 labels; 3 were wanted/],
    ['a damaged gzip', { format: 'idx', images: 'bad.gz' }, 65, /damaged gzip/],
    ['no NPY', { format: 'npy', inputs: 'odd' }, 65, /no .npy array/],
    [
      'no such member',
      { format: 'npy', inputs: 'set.npz#z' },
      65,
      /no array z.npy in the archive; it holds x.npy, y.npy/,
    ],
    ['an NPZ member with other bytes', { format: 'npy', inputs: 'crc.npz' }, 65, /crc\.npz: a damaged zip member/],
    ['a damaged NPZ directory', { format: 'npy', inputs: 'directory.npz' }, 65, /a damaged zip directory/],
    [
      'no NPZ',
      { format: 'npy', inputs: 'odd.npz' },
      65,
      /odd\.npz: no zip archive; the end of its directory is missing/,
    ],
    ['a missing NPZ', { format: 'npy', inputs: 'none.npz#x' }, 2, /none\.npz: no such file/],
    ['a word in a CSV', { ...csv, inputs: 'words.csv' }, 65, /line 2, column 2 holds "two"; a number was wanted/],
    ['a line of another length', { ...csv, inputs: 'ragged.csv' }, 65, /line 2 has 3 cells; 2 were wanted/],
    ['no such column', { ...csv, inputs: 'a.csv', labels: 'kind' }, 65, /no column kind; one of a, b, label/],
  ])('is refused: %s', async (_, recipe, exitCode, text) => {
    const error = await openSource(recipe, folder).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(UserError);
    expect(error).toMatchObject({ exitCode, message: expect.stringMatching(text) });
  });
  it('is refused with the sample that is not finite', async () => {
    write('nan.npy', npy('<f4', '(2, 2)', Float32Array.from([1, 2, 3, NaN])));
    await expect(
      writeShards({ format: 'npy', inputs: 'nan.npy' }, folder, join(folder, 'out'), { shardSamples: 1 }),
    ).rejects.toMatchObject({ exitCode: 65, message: expect.stringMatching(/sample 1 holds NaN at element 1/) });
  });
});

describe('shards', () => {
  it('give back every sample by id, preprocessed, in any order', async () => {
    const out = join(folder, 'shards');
    const { dataSet, labels } = await writeShards({ format: 'idx', images: 'images', labels: 'labels' }, folder, out, {
      shardSamples: 2,
    });
    expect(dataSet.shards.map((shard) => shard.samples)).toEqual([2, 1]);
    expect([...labels]).toEqual([0, 1, 2]);
    const samples = new Samples(dataSet, { scale: 0.5, mean: [1], std: [2] }, async (sha256) => join(out, sha256), {
      cacheBytes: 1,
    });
    const batch = await samples.gather(Uint32Array.from([2, 0]));
    expect([...batch.labels]).toEqual([2, 0]);
    expect([...batch.inputs]).toEqual([9, 10, 11, 12, 1, 2, 3, 4].map((x) => (x * 0.5 - 1) / 2));
  });
  it('that are not what their name says are written anew, and named', async () => {
    const out = join(folder, 'damaged');
    const source: SourceRecipe = { format: 'idx', images: 'images', labels: 'labels' };
    const { dataSet, notes } = await writeShards(source, folder, out, { shardSamples: 2 });
    const path = join(out, dataSet.shards[1]?.sha256 ?? '');
    const whole = readFileSync(path);
    const flipped = Buffer.from(whole);
    flipped[3] = (flipped[3] ?? 0) ^ 16;
    writeFileSync(path, flipped);
    const again = await writeShards(source, folder, out, { shardSamples: 2 });
    expect(notes).toEqual([]);
    expect(again.notes).toEqual([{ text: `${path} was damaged, and is written anew`, isOdd: true }]);
    expect(readFileSync(path)).toEqual(whole);
  });
  it('keep the weights that samples have beside their labels', async () => {
    const out = join(folder, 'weighted');
    write('weighted.csv', Buffer.from('1,5,0.5\n2,6,2\n3,7,0\n'));
    const { dataSet, weights } = await writeShards(
      { format: 'csv', inputs: 'weighted.csv', labels: 1, weights: 2, header: false, delimiter: ',' },
      folder,
      out,
      { shardSamples: 2 },
    );
    expect([dataSet.isWeighted, [...(weights ?? [])]]).toEqual([true, [0.5, 2, 0]]);
    const batch = await new Samples(dataSet, null, async (sha256) => join(out, sha256)).gather(
      Uint32Array.from([2, 0, 1]),
    );
    expect([[...batch.inputs], [...batch.labels], [...(batch.weights ?? [])]]).toEqual([
      [3, 1, 2],
      [7, 5, 6],
      [0, 0.5, 2],
    ]);
  });
  it('give views of a sample that depend on its shard, its place in it and the seed, not on its number', async () => {
    const [out, source] = [join(folder, 'views'), { format: 'idx', images: 'images', labels: 'labels' } as const];
    const { dataSet } = await writeShards(source, folder, out, { shardSamples: 2 });
    const open = (shards: typeof dataSet.shards, seed = 1): Samples =>
      new Samples({ ...dataSet, shards }, null, async (sha256) => join(out, sha256), {
        augment: { recipe: { noise: 2, flip: false, fill: 0 }, seed },
      });
    const [samples, last] = [open(dataSet.shards), open(dataSet.shards.slice(1))];
    const of = async (from: Samples, id: number, view: number | null): Promise<string> =>
      (await from.gather(Uint32Array.of(id), view)).inputs.join();
    expect(await of(samples, 2, 1)).toBe(await of(last, 0, 1));
    expect(
      new Set([
        await of(samples, 2, null),
        await of(samples, 2, 0),
        await of(samples, 2, 1),
        await of(open(dataSet.shards, 2), 2, 1),
      ]).size,
    ).toBe(4);
    expect(await of(samples, 2, null)).toBe('9,10,11,12');
  });
  it('are named by their content: the same source writes the same shards', async () => {
    const recipe = { format: 'idx', images: 'images', labels: 'labels' } as const;
    const [a, b] = [
      await writeShards(recipe, folder, join(folder, 's1'), { shardSamples: 2 }),
      await writeShards({ ...recipe, images: 'images.gz' }, folder, join(folder, 's2'), { shardSamples: 2 }),
    ];
    expect(a.dataSet).toEqual(b.dataSet);
  });
});

describe('normalise', () => {
  it('takes mean and standard deviation by channel', () => {
    const inputs = Float32Array.from([1, 10, 2, 20]);
    normalise(inputs, 2, { scale: 1, mean: [1, 10], std: [1, 5] });
    expect([...inputs]).toEqual([0, 0, 1, 2]);
  });
});

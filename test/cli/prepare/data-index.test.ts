/** What a second preparation takes from the index, and when it reads its sources again. */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import sharp from 'sharp';
import { beforeEach, describe, expect, it } from 'vitest';
import { indexedShards, type WriteShards } from '../../../cli/prepare/data-index.js';
import { RemoteFiles } from '../../../cli/prepare/remote/remote-files.js';
import { sourceFiles } from '../../../cli/prepare/source-files.js';
import { writeShards, type WrittenData } from '../../../cli/prepare/shards.js';
import { sourceSchema } from '../../../shared/recipe/data-schema.js';
import { temporaryFolder } from '../../worker/fakes.js';

let folder = '';
let out = '';
let readings = 0;
beforeEach(() => {
  folder = temporaryFolder();
  out = join(folder, 'out');
  readings = 0;
});

const counted: WriteShards = async (...args) => {
  readings++;
  return writeShards(...args);
};

const csv = { format: 'csv', inputs: 'x.csv', labels: 'kind', weights: 'w' };

const prepare = (recipe: object = csv, options: object = {}): Promise<WrittenData> =>
  indexedShards(sourceSchema.parse(recipe), folder, out, { shardSamples: 2, write: counted, ...options });

const lines = (last: string): string => ['kind,w,a,b', 'bee,1,2,3', 'ant,0.5,4,5', `ant,2,${last}`].join('\n');
const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);

/** Changes a file under another inode, as an editor does; its times differ from before whatever the clock's steps. */
function rewrite(name: string, text: string): void {
  write(`${name}.new`, text);
  renameSync(join(folder, `${name}.new`), join(folder, name));
}

const entryPath = (): string => join(out, 'index', readdirSync(join(out, 'index'))[0] ?? '');
const plain = ({ notes, ...data }: WrittenData): WrittenData => ({ ...data, notes });

describe('a preparation of what has not changed', () => {
  it('reads no source again, and gives the same', async () => {
    write('x.csv', lines('6,7'));
    const first = await prepare();
    const again = await prepare();
    expect(readings).toBe(1);
    const { labels, weights, classNames, parts, notes, inputRange, dataSet } = again;
    expect({ labels, weights, classNames, parts, notes, inputRange, dataSet }).toEqual({
      labels: first.labels,
      weights: first.weights,
      classNames: ['ant', 'bee'],
      parts: first.parts,
      notes: first.notes,
      inputRange: { least: 2, most: 7 },
      dataSet: first.dataSet,
    });
    expect([...(again.weights ?? [])]).toEqual([1, 0.5, 2]);
    expect(first.notes.length).toBe(1);
    expect(readdirSync(join(out, 'index')).length).toBe(1);
  });

  it('keeps targets, positions and what samples are', async () => {
    write('t.jsonl', '{"x":[1,2],"t":[0.5,-3]}\n{"x":[3,4],"t":null}\n{"x":[5,6],"t":[1,7]}');
    write('s.jsonl', '{"x":[[1],[2]],"y":[0,1],"m":[1,0]}\n{"x":[[3],[4]],"y":[1,1],"m":[1,1]}');
    const targets = { format: 'jsonl', inputs: 't.jsonl', targets: 't' };
    const sequences = { format: 'jsonl', inputs: 's.jsonl', labels: 'y', mask: 'm' };
    for (const [recipe, task] of [
      [targets, 'regression'],
      [sequences, 'sequence'],
    ] as const) {
      const first = await prepare(recipe, { task });
      const again = await prepare(recipe, { task });
      expect(plain(again)).toEqual(plain(first));
    }
    expect(readings).toBe(2);
  });

  it('also holds for folders of images, through links', async () => {
    const image = sharp(Uint8Array.of(1, 2, 3, 4), { raw: { width: 2, height: 2, channels: 1 } }).toColourspace('b-w');
    mkdirSync(join(folder, 'more'));
    await image.png().toFile(join(folder, 'more', 'a.png'));
    mkdirSync(join(folder, 'images'));
    symlinkSync(join(folder, 'more'), join(folder, 'images', 'one'));
    const recipe = { format: 'folder', images: 'images' };
    const first = await prepare(recipe);
    expect(plain(await prepare(recipe))).toEqual(plain(first));
    expect(readings).toBe(1);
    await image.png().toFile(join(folder, 'more', 'b.png'));
    expect((await prepare(recipe)).dataSet.samples).toBe(2);
  });
});

describe('shards that are used again', () => {
  it.each<[string, object, number]>([
    ['by the index', csv, 1],
    ['by another recipe of the same samples', { ...csv, limit: 3 }, 2],
  ])('are marked as used: %s', async (_, recipe, count) => {
    write('x.csv', lines('6,7'));
    const { dataSet } = await prepare();
    const paths = dataSet.shards.map(({ sha256 }) => join(out, sha256));
    const old = new Date(Date.now() - 2 * 86_400_000);
    for (const path of [...paths, entryPath()]) utimesSync(path, old, old);
    await prepare(recipe);
    expect(readings).toBe(count);
    for (const path of paths) expect(statSync(path).mtimeMs).toBeGreaterThan(Date.now() - 3_600_000);
  });
});

describe('a preparation reads its source again', () => {
  it('when the file was changed, which it says', async () => {
    write('x.csv', lines('6,7'));
    await prepare();
    rewrite('x.csv', lines('6,8'));
    const changed = await prepare();
    expect([readings, changed.inputRange.most]).toEqual([2, 8]);
    expect(changed.notes.map(({ text }) => text)).toContain(
      `${join(folder, 'x.csv')}: changed since it was read last; read anew`,
    );
    await prepare();
    expect(readings).toBe(2);
  });

  it('when the recipe says something else of it', async () => {
    write('x.csv', lines('6,7'));
    await prepare();
    await prepare({ ...csv, limit: 2 });
    await prepare(csv, { classNames: ['bee', 'ant'] });
    await prepare(csv, { shardSamples: 3 });
    await prepare(csv, { unlabelled: sourceSchema.parse({ format: 'csv', inputs: 'x.csv', labels: 0, weights: 1 }) });
    expect(readings).toBe(5);
  });

  it('when its entry is damaged, which it says', async () => {
    write('x.csv', lines('6,7'));
    const first = await prepare();
    const whole = readFileSync(entryPath());
    for (const damage of [
      (bytes: Buffer): Buffer => bytes.fill(Number(bytes.at(-1)) ^ 1, bytes.length - 1),
      (bytes: Buffer): Buffer => bytes.subarray(0, 70),
      (): Buffer => Buffer.alloc(0),
    ]) {
      writeFileSync(entryPath(), damage(Buffer.from(whole)));
      const again = await prepare();
      expect(again.notes).toContainEqual({ text: `${entryPath()} was damaged, and is made anew`, isOdd: true });
      expect(again.dataSet).toEqual(first.dataSet);
      expect(readFileSync(entryPath())).toEqual(whole);
    }
    expect(readings).toBe(4);
  });

  it('when a shard is missing or damaged, which it says', async () => {
    write('x.csv', lines('6,7'));
    const { dataSet } = await prepare();
    const shard = join(out, dataSet.shards[1]?.sha256 ?? '');
    const whole = readFileSync(shard);
    rmSync(shard);
    expect((await prepare()).notes).toContainEqual({ text: `${shard} was missing, and is made anew`, isOdd: false });
    expect(readFileSync(shard)).toEqual(whole);
    writeFileSync(shard, Buffer.alloc(whole.length));
    expect((await prepare()).notes).toContainEqual({ text: `${shard} was damaged, and is written anew`, isOdd: true });
    expect(readFileSync(shard)).toEqual(whole);
    const last = await prepare();
    expect([readings, last.notes.length]).toEqual([3, 1]);
  });

  it('when it changed while it was read', async () => {
    write('x.csv', lines('6,7'));
    const changing: WriteShards = async (...args) => {
      const written = await counted(...args);
      if (readings === 1) rewrite('x.csv', lines('6,9'));
      return written;
    };
    await prepare(csv, { write: changing });
    expect((await prepare()).inputRange.most).toBe(9);
    expect(readings).toBe(2);
  });

  it('when files were read that the recipe does not name', async () => {
    const png = await sharp(Uint8Array.of(1, 2, 3), { raw: { width: 1, height: 1, channels: 3 } })
      .png()
      .toBuffer();
    writeFileSync(join(folder, 'a.png'), png);
    const columnData = [{ name: 'image', data: [{ path: 'a.png' }] }];
    const schema = [
      { name: 'root', num_children: 1 },
      { name: 'image', num_children: 2, repetition_type: 'OPTIONAL' as const },
      { name: 'bytes', type: 'BYTE_ARRAY' as const, repetition_type: 'OPTIONAL' as const },
      {
        name: 'path',
        type: 'BYTE_ARRAY' as const,
        converted_type: 'UTF8' as const,
        repetition_type: 'OPTIONAL' as const,
      },
    ];
    writeFileSync(join(folder, 'x.parquet'), new Uint8Array(parquetWriteBuffer({ columnData, schema })));
    const recipe = { format: 'parquet', inputs: 'x.parquet' };
    await prepare(recipe);
    await prepare(recipe);
    expect(readings).toBe(2);
  });
});

describe('files of a source', () => {
  it('are not known where one is missing or a folder lies in itself', async () => {
    mkdirSync(join(folder, 'images'));
    symlinkSync(join(folder, 'images'), join(folder, 'images', 'self'));
    const of = (recipe: object): Promise<string | null> =>
      sourceFiles([sourceSchema.parse(recipe)], folder, new RemoteFiles());
    expect(await of(csv)).toBeNull();
    expect(await of({ format: 'folder', images: 'images' })).toBeNull();
    rmSync(join(folder, 'images', 'self'));
    expect(await of({ format: 'folder', images: 'images' })).toMatch(/^[0-9a-f]{64}$/);
  });
});

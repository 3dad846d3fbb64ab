/** What people really have in folders of images: links, hidden names, images of many kinds, empty classes. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSource, type SourceOptions } from '../../../../cli/prepare/sources/chosen-source.js';
import type { Note } from '../../../../cli/prepare/sources/source.js';
import { sourceSchema } from '../../../../shared/recipe/data-schema.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stillhouse-images-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A grey image of two pixels of that value, in the format of its ending. */
async function image(path: string, value: number): Promise<void> {
  const place = join(folder, path);
  mkdirSync(dirname(place), { recursive: true });
  const raw = sharp(Uint8Array.of(value, value, value, value, value, value), {
    raw: { width: 2, height: 1, channels: 3 },
  });
  const { data } = await raw.toFormat(path.endsWith('.jfif') ? 'jpeg' : 'png').toBuffer({ resolveWithObject: true });
  writeFileSync(place, data);
}

function file(path: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), 'something');
}

interface Told {
  readonly labels: number[];
  readonly first: number[];
  readonly classNames: readonly string[] | undefined;
  readonly notes: readonly Note[];
}

async function told(recipe: object = { labels: 'folders' }, options: SourceOptions = {}): Promise<Told> {
  const source = await openSource(sourceSchema.parse({ format: 'folder', images: 'set', ...recipe }), folder, options);
  const rows = [...(await source.read(0, source.samples))];
  const first = rows.filter((_, i) => i % 6 === 0);
  return { labels: [...source.labels], first, classNames: source.classNames, notes: source.notes ?? [] };
}

describe('links', () => {
  it('to a folder are the class that they name, and to a file an image', async () => {
    await image('set/a/1.png', 10);
    await image('set/c/1.png', 30);
    await image('elsewhere/1.png', 20);
    symlinkSync('../elsewhere', join(folder, 'set/b'));
    symlinkSync('../../elsewhere/1.png', join(folder, 'set/c/2.png'));
    expect(await told()).toEqual({
      labels: [0, 1, 2, 2],
      first: [10, 20, 30, 20],
      classNames: ['a', 'b', 'c'],
      notes: [],
    });
  });

  it.each([
    ['that lead nowhere', '../gone', /set\/b: a link that leads nowhere/],
    ['to a folder that they lie in', '../set', /set\/b\/b: a link to .*set, which it lies in/],
  ])('are refused %s', async (_, target, message) => {
    await image('set/a/1.png', 10);
    symlinkSync(target, join(folder, 'set/b'));
    await expect(told()).rejects.toMatchObject({ exitCode: 65, message: expect.stringMatching(message) });
  });
});

describe('hidden names', () => {
  beforeEach(async () => {
    await image('set/a/1.png', 10);
    await image('set/b/1.png', 20);
    await image('set/.ipynb_checkpoints/1-checkpoint.png', 1);
    await image('set/a/.ipynb_checkpoints/1-checkpoint.png', 1);
    file('set/__MACOSX/a/._1.png');
    file('set/a/._1.png');
    file('set/.DS_Store');
  });
  const notes = (): Note[] => [
    {
      text: `${join(folder, 'set')}: left out: what has the hidden names .DS_Store, ._1.png, .ipynb_checkpoints, __MACOSX`,
      isOdd: false,
    },
  ];

  it('are neither classes nor images', async () => {
    expect(await told()).toEqual({ labels: [0, 1], first: [10, 20], classNames: ['a', 'b'], notes: notes() });
    expect(await told({})).toEqual({ labels: [-1, -1], first: [10, 20], classNames: undefined, notes: notes() });
  });

  it('are classes where the recipe names them', async () => {
    const { labels, first } = await told(undefined, { classNames: ['.ipynb_checkpoints', 'b', 'a'] });
    expect([labels, first]).toEqual([
      [0, 1, 2],
      [1, 20, 10],
    ]);
  });
});

it('other files are left out, which is said with their number', async () => {
  await image('set/a/1.JFIF', 128);
  await image('set/b/1.png', 20);
  await image('set/3.png', 20);
  for (const path of ['set/a/1.ico', 'set/a/2.ICO', 'set/b/labels.txt', 'set/README']) file(path);
  const { labels, notes } = await told();
  expect(labels).toEqual([0, 1]);
  expect(notes).toEqual([
    {
      text: `${join(folder, 'set')}: left out: 4 files that are no images which can be read (2 .ico, 1 without an ending, 1 .txt); 1 image that lies in no folder of a class`,
      isOdd: true,
    },
  ]);
});

describe('images of 16 bits a channel', () => {
  const deep = async (path: string, value: number): Promise<void> => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    const raw = sharp(Uint16Array.of(value, value), { raw: { width: 2, height: 1, channels: 1 } });
    writeFileSync(join(folder, path), await raw.toColourspace('grey16').png().toBuffer());
  };

  it('are whole numbers of their own depth, of which the user is told', async () => {
    await deep('set/a/1.png', 3840);
    await deep('set/b/1.png', 65535);
    const source = await openSource(sourceSchema.parse({ format: 'folder', images: 'set' }), folder);
    expect([source.dtype, [...(await source.read(0, 2))]]).toEqual(['int32', [3840, 3840, 65535, 65535]]);
    expect(source.notes).toEqual([
      { text: expect.stringMatching(/set: images of 16 bits a channel, whose values go to 65535/), isOdd: true },
    ]);
  });

  it('are refused beside others of 8', async () => {
    await deep('set/a/1.png', 3840);
    const grey = sharp(Uint8Array.of(1, 2), { raw: { width: 2, height: 1, channels: 1 } }).toColourspace('b-w');
    writeFileSync(join(folder, 'set/a/2.png'), await grey.png().toBuffer());
    await expect(told({})).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(/2\.png: an image of 8 bits a channel; 16 was wanted, as of the first/),
    });
  });
});

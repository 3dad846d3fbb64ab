/** Archives as WebDataset has them, written by GNU tar. */
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { beforeEach, describe, expect, it } from 'vitest';
import { checkFiles } from '../../../../cli/prepare/missing-files.js';
import { openSource, type SourceOptions } from '../../../../cli/prepare/sources/chosen-source.js';
import { inBraces } from '../../../../shared/data/name-patterns.js';
import { fileBytes } from '../../../../cli/prepare/sources/ranged-bytes.js';
import { tarMembers } from '../../../../cli/prepare/sources/tar.js';
import { sourceSchema } from '../../../../shared/recipe/data-schema.js';
import { readRecipe } from '../../../../shared/recipe/read.js';
import { temporaryFolder } from '../../../worker/fakes.js';

let folder = '';
beforeEach(() => {
  folder = temporaryFolder();
});

const png = (...values: number[]): Promise<Buffer> =>
  sharp(Uint8Array.from(values), { raw: { width: values.length, height: 1, channels: 1 } })
    .toColourspace('b-w')
    .png()
    .toBuffer();

type Files = Readonly<Record<string, Uint8Array | string>>;

/** Writes an archive of the files in their order. */
function tar(name: string, files: Files, flags: readonly string[] = []): void {
  const made = join(folder, `${name}.files`);
  for (const [file, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(made, file)), { recursive: true });
    writeFileSync(join(made, file), bytes);
  }
  execFileSync('tar', [...flags, '-cf', join(folder, name), ...Object.keys(files)], { cwd: made });
}

async function read(recipe: object, options: SourceOptions = {}): Promise<object> {
  const source = await openSource(sourceSchema.parse({ format: 'webdataset', ...recipe }), folder, options);
  const rows = [...(await source.read(0, 1)), ...(await source.read(1, source.samples))];
  const { shape, dtype, labels, classNames, notes = [] } = source;
  await source.close();
  return { shape, dtype, labels: [...labels], classNames, rows, notes: notes.map(({ text }) => text) };
}

describe('a WebDataset', () => {
  it('has images with labels by cls, in folders, and says what it passed over', async () => {
    tar('a.tar', {
      'n1/001.jpg.png': await png(1, 2),
      'n1/001.CLS': '1',
      'n1/001.txt': 'a bee',
      __key__: 'meta',
      'n2/001.jpg.png': await png(3, 4),
      'n2/001.cls': '0\n',
      'n2/001.txt': 'an ant',
      'n2/002.jpg.png': await png(5, 6),
    });
    expect(await read({ inputs: 'a.tar', labels: 'cls' })).toEqual({
      shape: [1, 2, 1],
      dtype: 'uint8',
      labels: [1, 0, -1],
      classNames: undefined,
      rows: [1, 2, 3, 4, 5, 6],
      notes: [`${join(folder, 'a.tar')}: passed over: 2 files of its samples (2 .txt)`],
    });
  });

  it('has labels by a key of json, by number, name and null, over several archives in braces', async () => {
    tar('s-008.tar', { 'a.json': '{"label": "bee", "x": 1}', 'a.png': await png(1) });
    tar('s-009.tar', { 'b.json': '{"label": null}', 'b.png': await png(2) });
    tar('s-010.tar', { 'c.json': '{"label": "ant"}', 'c.png': await png(3) });
    expect(await read({ inputs: 's-{008..010}.tar', labels: 'json#label' })).toMatchObject({
      labels: [1, -1, 0],
      classNames: ['ant', 'bee'],
      rows: [1, 2, 3],
    });
    const named = { classNames: ['bee', 'ant'] };
    expect(await read({ inputs: 's-{008,010}.tar', labels: 'json#label' }, named)).toMatchObject({ labels: [0, 1] });
  });

  it('has arrays, and the member that the recipe names where there are several', async () => {
    const head = `{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }`.padEnd(117);
    const npy = (...values: number[]): Buffer =>
      Buffer.concat([
        Buffer.from(`\x93NUMPY\x01\x00\x76\x00${head}\n`, 'latin1'),
        Buffer.from(Int16Array.from(values).buffer),
      ]);
    tar('a.tar', { 'a.npy': npy(-1, 2), 'a.cls': '0', 'b.npy': npy(3, 400), 'b.cls': '1' });
    expect(await read({ inputs: 'a.tar', labels: 'cls' })).toMatchObject({
      shape: [2],
      dtype: 'int32',
      rows: [-1, 2, 3, 400],
    });
    tar('b.tar', {
      'a.left.png': await png(1),
      'a.right.png': await png(2),
      'b.left.png': await png(3),
      'b.right.png': await png(4),
    });
    expect(await read({ inputs: 'b.tar', member: 'right.png' })).toMatchObject({ rows: [2, 4] });
    await expect(read({ inputs: 'b.tar' })).rejects.toThrow(
      /sample a has \.left\.png and \.right\.png; one image was wanted \(member names it\)/,
    );
  });

  it.each([['--format=pax'], ['--format=gnu'], ['--format=ustar']])(
    'has long names and any letters: %s',
    async (format) => {
      const long = format === '--format=ustar' ? `${'d'.repeat(90)}/` : `${'d'.repeat(120)}/${'ü'.repeat(70)}/`;
      tar('a.tar', { [`${long}one.png`]: await png(7), [`${long}two.png`]: await png(8) }, [format]);
      expect(await read({ inputs: 'a.tar' })).toMatchObject({ rows: [7, 8] });
      const members = tarMembers('a.tar', fileBytes(join(folder, 'a.tar')));
      expect(members.map(({ name }) => name)).toEqual([`${long}one.png`, `${long}two.png`]);
    },
  );

  it('is read when it is packed, in one size, and through links, folders and other things', async () => {
    tar('a.tar', { 'x/a.png': await png(1, 1), 'x/b.png': await png(9, 9, 9, 9) });
    execFileSync('ln', ['-s', 'a.png', join(folder, 'a.tar.files', 'x', 'link.png')]);
    execFileSync('tar', ['-cf', join(folder, 'b.tar'), 'x'], { cwd: join(folder, 'a.tar.files') });
    writeFileSync(join(folder, 'b.tar.gz'), gzipSync(readFileSync(join(folder, 'b.tar'))));
    const found = (await read({ inputs: 'b.tar.gz', size: [1, 1] })) as { rows: number[] };
    expect(found.rows.sort()).toEqual([1, 9]);
  });

  it.each<[string, () => Promise<void>, RegExp]>([
    [
      'that ends in a file',
      async () => truncateSync(join(folder, 'a.tar'), 520),
      /it ends within what begins at byte 0/,
    ],
    [
      'with a damaged header',
      async () => {
        const bytes = readFileSync(join(folder, 'a.tar'));
        bytes[1024 + 3] = 88;
        writeFileSync(join(folder, 'a.tar'), bytes);
      },
      /no tar header at byte 1024/,
    ],
    [
      'that ends in a header',
      async () => truncateSync(join(folder, 'a.tar'), 1024 + 100),
      /it ends within what begins at byte 1024/,
    ],
    [
      'with a sample without an image',
      async () => tar('a.tar', { 'a.png': await png(1), 'b.txt': 'x' }),
      /sample b has no image; one image was wanted/,
    ],
    [
      'with one file twice in a sample',
      async () => {
        const png1 = await png(1);
        tar('a.tar', { 'a.png': png1, 'a.PNG': png1 });
      },
      /a\.PNG is there twice in one sample/,
    ],
    [
      'with something that is no JSON',
      async () => tar('a.tar', { 'a.png': await png(1), 'a.json': '{' }),
      /a\.json is no JSON object with a key y/,
    ],
    [
      'with images of two sizes',
      async () =>
        tar('a.tar', { 'a.png': await png(1), 'a.json': '{"y":1}', 'b.png': await png(1, 2), 'b.json': '{"y":1}' }),
      /a\.tar: b\.png: an image of \[1, 2, 1\]/,
    ],
  ])('is refused %s', async (_, damage, message) => {
    tar('a.tar', { 'a.png': await png(1), 'a.json': '{"y":0}' });
    await damage();
    await expect(read({ inputs: 'a.tar', labels: 'json#y' })).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(message),
    });
  });

  it('may end without the zeros that archives end with', async () => {
    tar('a.tar', { 'a.png': await png(1) });
    truncateSync(join(folder, 'a.tar'), 1024);
    expect(await read({ inputs: 'a.tar' })).toMatchObject({ rows: [1] });
    appendFileSync(join(folder, 'a.tar'), Buffer.alloc(512));
    expect(await read({ inputs: 'a.tar' })).toMatchObject({ rows: [1] });
  });
});

describe('braces in names', () => {
  it.each([
    ['a', ['a']],
    ['a{b}c', ['a{b}c']],
    ['a-{08..11}.tar', ['a-08.tar', 'a-09.tar', 'a-10.tar', 'a-11.tar']],
    ['{a,b}/{0..1}', ['a/0', 'a/1', 'b/0', 'b/1']],
  ])('of %s stand for a list', (pattern, names) => {
    expect(inBraces(pattern)).toEqual(names);
  });

  it('are refused where they count down or stand for too many, and name the file that is missing', async () => {
    expect(() => inBraces('{3..1}')).toThrow('{3..1}: braces from 3 down to 1; from the lesser wanted');
    expect(() => inBraces('{1..2000000}')).toThrow('more than 1000000 names');
    expect(() => inBraces('{1..2000}{1..2000}')).toThrow('more than 1000000 names');
    tar('s-0.tar', { 'a.png': await png(1) });
    await expect(read({ inputs: 's-{0..1}.tar' })).rejects.toMatchObject({
      exitCode: 2,
      message: `${join(folder, 's-1.tar')}: no such file; one that is there was wanted`,
    });
    const recipe = (inputs: string): string =>
      `student: { builtin: mlp, hidden: [3] }\nlosses: { crossEntropy: { weight: 1 } }\ndata:\n  train: { format: webdataset, inputs: "${inputs}", labels: cls }\noptimizer: { name: adam, learningRate: 0.1 }\nbatch: { size: 2 }\nepochs: 1\n`;
    await checkFiles(readRecipe(recipe('s-{0..0}.tar'), { file: 'r.yaml' }), folder);
    await expect(checkFiles(readRecipe(recipe('t-{0..1}.tar'), { file: 'r.yaml' }), folder)).rejects.toThrow(
      /t-\{0\.\.1\}\.tar given/,
    );
  });
});

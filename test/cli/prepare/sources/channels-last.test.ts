/** Arrays of images with their channels first, as PyTorch has them, read with `layout: nchw`. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openSource } from '../../../../cli/prepare/sources/chosen-source.js';
import { sourceSchema } from '../../../../shared/recipe/data-schema.js';
import { arrayFiles } from './array-files.js';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-channels-'));
afterAll(() => rmSync(folder, { recursive: true }));
const { npy, idx } = arrayFiles(folder);

/** Two images of [2, 2, 3]: the first channel counts from 0, the second from 100. */
const first = [0, 1, 2, 3, 4, 5, 100, 101, 102, 103, 104, 105];
const last = [0, 100, 1, 101, 2, 102, 3, 103, 4, 104, 5, 105];
const all = [...first, ...first.map((value) => value + 10)];
npy('x.npy', [2, 2, 2, 3], all);
idx('x.idx', [2, 2, 2, 3], all);
npy('grey.npy', [2, 2, 3], all.slice(0, 12));
const nested = [
  [
    [0, 1, 2],
    [3, 4, 5],
  ],
  [
    [100, 101, 102],
    [103, 104, 105],
  ],
];
writeFileSync(join(folder, 'x.jsonl'), `${JSON.stringify({ x: nested })}\n${JSON.stringify({ x: nested })}\n`);
writeFileSync(join(folder, 'x.csv'), `${first.join()}\n${all.slice(12).join()}\n`);

describe('layout: nchw', () => {
  it.each([
    ['images of NPY', { format: 'npy', images: 'x.npy' }],
    ['inputs of NPY', { format: 'npy', inputs: 'x.npy' }],
    ['images of IDX', { format: 'idx', images: 'x.idx' }],
    ['lists of JSONL', { format: 'jsonl', inputs: 'x.jsonl', column: 'x' }],
    ['lines of CSV', { format: 'csv', inputs: 'x.csv', header: false, shape: [2, 2, 3] }],
  ])('brings the channels behind: %s', async (_, recipe) => {
    const source = await openSource(sourceSchema.parse({ ...recipe, layout: 'nchw' }), folder);
    expect([source.samples, source.shape]).toEqual([2, [2, 3, 2]]);
    expect([...(await source.read(0, 1))]).toEqual(last);
    const [second] = await source.read(1, 2);
    expect(second).toBe(recipe.format === 'jsonl' ? 0 : 10);
  });

  it('leaves the samples of a file as they are where it is not given', async () => {
    const source = await openSource(sourceSchema.parse({ format: 'npy', inputs: 'x.npy', layout: 'nhwc' }), folder);
    expect([source.shape, [...(await source.read(0, 1))]]).toEqual([[2, 2, 3], first]);
  });

  it('is refused of images without a dimension of channels', async () => {
    const recipe = sourceSchema.parse({ format: 'npy', images: 'grey.npy', layout: 'nchw' });
    await expect(openSource(recipe, folder)).rejects.toMatchObject({
      exitCode: 2,
      message: `${join(folder, 'grey.npy')}: samples of [2, 3] given beside layout: nchw; [channels, height, width] wanted`,
    });
  });
});

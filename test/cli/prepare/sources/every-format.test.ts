/** What every format of data keeps to, whatever it is: one data set, written in each, is the same source. */
import { accessSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSource } from '../../../../cli/prepare/sources/chosen-source.js';
import { filesOf, sourceFormats } from '../../../../cli/prepare/sources/list.js';
import type { FormatName, Source } from '../../../../cli/prepare/sources/source.js';
import { sourceSchema } from '../../../../shared/recipe/data-schema.js';
import { fixtures, type DataSetContent } from './fixtures.js';

const inputs = Array.from({ length: 5 }, (_, i) => [0, 1, 2, 3].map((k) => 10 * i + k));
/** Such that samples of both classes come in turn, as a folder gives them. */
const labels = [0, 1, 0, 1, 1];

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stillhouse-format-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const formats = Object.keys(sourceFormats) as FormatName[];

describe.each(formats)('a source of format %s', (name) => {
  const fixture = fixtures[name];
  const open = async (content: Partial<DataSetContent>, recipe: object = {}): Promise<Source> =>
    openSource(sourceSchema.parse({ ...(await fixture.write(folder, { inputs, ...content })), ...recipe }), folder);
  const refused = async (opening: Promise<Source>, exitCode: number, message = /./): Promise<void> => {
    const reading = opening.then((source) => source.read(0, source.samples));
    await expect(reading).rejects.toMatchObject({
      name: 'UserError',
      exitCode,
      message: expect.stringMatching(message),
    });
  };

  it('has samples of a shape and a type, and gives them in their order', async () => {
    const source = await open({ labels });
    expect([source.samples, source.shape, source.dtype]).toEqual([5, fixture.shape, fixture.dtype]);
    const rows = await source.read(0, 5);
    expect(rows).toBeInstanceOf(fixture.dtype === 'uint8' ? Uint8Array : Float32Array);
    expect([...rows]).toEqual(inputs.flat());
    expect(source.file).toBe(join(folder, fixture.inputs));
    await source.close();
  });

  it('gives in any range what it gives of all, in any order and at the same time', async () => {
    const source = await open({ labels });
    const ranges = inputs.flatMap((_, from) => inputs.slice(from).map((_one, i) => [from, from + i] as const));
    const read = await Promise.all(
      ranges.reverse().map(async ([from, to]) => [from, to, [...(await source.read(from, to))]]),
    );
    expect(read).toEqual(ranges.map(([from, to]) => [from, to, inputs.slice(from, to).flat()]));
  });

  it('has a label for each sample', async () => {
    expect([...(await open({ labels })).labels]).toEqual(labels);
  });

  it('has no labels, weights or targets where the recipe names none', async () => {
    const { labels: none, weights, targets, positions } = await open({});
    expect([[...none], weights, targets, positions]).toEqual([[-1, -1, -1, -1, -1], undefined, undefined, undefined]);
  });

  if (fixture.can.has('missing labels'))
    it('has -1 where a sample has no label', async () => {
      expect([...(await open({ labels: [0, -1, 2, 1, -1] })).labels]).toEqual([0, -1, 2, 1, -1]);
    });

  if (fixture.can.has('missing labels'))
    it('refuses labels that are no class numbers', async () => {
      await refused(open({ labels: [0, 1, 0.5, 1, 1] }), 65, /sample 2 has label 0\.5/);
    });

  if (fixture.can.has('weights'))
    it('has weights, which are no inputs, and none that are negative', async () => {
      const source = await open({ labels, weights: [1, 0.5, 0, 2, 4] });
      expect([[...(source.weights ?? [])], [...source.labels]]).toEqual([[1, 0.5, 0, 2, 4], labels]);
      expect([...(await source.read(1, 3))]).toEqual(inputs.slice(1, 3).flat());
      await refused(open({ weights: [1, 1, -2, 1, 1] }), 65, /sample 2 has weight -2/);
    });

  if (fixture.can.has('targets'))
    it('has targets, which are no inputs, and zeros where there is none', async () => {
      const source = await open({ targets: [[1, 2], null, [-0.5, 3], null, [4, 0]] });
      expect(source.targets?.width).toBe(2);
      expect([...(source.targets?.values ?? [])]).toEqual([1, 2, 0, 0, -0.5, 3, 0, 0, 4, 0]);
      expect([...source.labels]).toEqual([0, -1, 0, -1, 0]);
      expect([...(await source.read(0, 2))]).toEqual(inputs.slice(0, 2).flat());
    });

  const routes = ['de', 'en', null, 'de', 'en'];
  const routed = async (recipe: object = {}, more: readonly (string | null)[] = routes): Promise<Source> =>
    openSource(
      sourceSchema.parse({ ...(await fixture.write(folder, { inputs, labels, routes: more })), ...recipe }),
      folder,
      { routeColumn: 'who' },
    );
  const saidBy = ({ routes: found }: Source): unknown[] =>
    [...(found?.of ?? [])].map((place) => found?.values[place] ?? null);

  if (fixture.can.has('routes'))
    it('has what a column says of who labels each sample, and it is no input', async () => {
      const source = await routed();
      expect([saidBy(source), [...source.labels], source.shape]).toEqual([routes, labels, fixture.shape]);
      expect([...(await source.read(0, 5))]).toEqual(inputs.flat());
      const part = await routed({ limit: 4, labelled: { first: 2 }, onlyLabelled: true });
      expect(saidBy(part)).toEqual(['de', 'en']);
      const none = await fixture.write(folder, { inputs, labels });
      await refused(openSource(sourceSchema.parse(none), folder, { routeColumn: 'other' }), 65, /other/);
    });

  it('is the part that the recipe chooses', async () => {
    const source = await open({ labels }, { limit: 4, labelled: { first: 3 }, onlyLabelled: true });
    expect([source.samples, [...source.labels]]).toEqual([3, [0, 1, 0]]);
    expect([...(await source.read(1, 3))]).toEqual(inputs.slice(1, 3).flat());
    const first = await open({ labels }, { limit: 4, labelled: { first: 2 } });
    expect([first.samples, [...first.labels]]).toEqual([4, [0, 1, -1, -1]]);
  });

  it('says which files its recipe names, and is refused with exit code 2 when the inputs are not there', async () => {
    const recipe = sourceSchema.parse(await fixture.write(folder, { inputs, labels }));
    const files = Object.values(filesOf(recipe.format, recipe)).flatMap((file) => file ?? []);
    expect(files).toContain(fixture.inputs);
    files.forEach((file) => accessSync(join(folder, file)));
    rmSync(join(folder, fixture.inputs), { recursive: true });
    await refused(openSource(recipe, folder), 2, /no such file/);
  });

  it('is refused with exit code 65 when something else lies in its place', async () => {
    const recipe = sourceSchema.parse(await fixture.write(folder, { inputs, labels }));
    const path = join(folder, fixture.inputs);
    rmSync(path, { recursive: true });
    if (fixture.damaged === null) writeFileSync(path, 'a file');
    else mkdirSync(path);
    await refused(openSource(recipe, folder), 65);
  });

  if (fixture.damaged !== null)
    it('is refused with exit code 65 when its file is damaged', async () => {
      const recipe = sourceSchema.parse(await fixture.write(folder, { inputs }));
      writeFileSync(join(folder, fixture.inputs), fixture.damaged ?? '');
      await refused(openSource(recipe, folder), 65);
    });

  it('is refused when the labels that the recipe names are not there', async () => {
    await refused(open({ labels }, fixture.noLabels.recipe), fixture.noLabels.exitCode);
  });
});

/**
 * Runs with the label cache, cold and warm, over real teachers: the same bits, and no teacher at work where labels are
 * kept.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { PreparedRun } from '../../../coordinator/plan/prepared-run.js';
import type { LabelStorage } from '../../../shared/labels/storage.js';
import { Ensemble } from '../../../worker/compute/teachers/ensemble.js';
import { temporaryFolder } from '../fakes.js';
import { reference } from '../compute/teachers/fixtures.js';
import { labelSets } from '../../../shared/labels/sets.js';
import { openLabelBlocks } from '../../../shared/labels/label-blocks.js';
import { writeNpz } from '../../../coordinator/labels/npz-file.js';
import { curve, prepareAgain, prepared, samples, whole } from './real-runs.js';

const folders: string[] = [];
afterEach(() => {
  vi.restoreAllMocks();
  folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true }));
});

function storageOf(): LabelStorage {
  const folder = temporaryFolder();
  folders.push(folder);
  return { folder, maxBytes: 2 ** 30 };
}
const { classes } = reference;
const student = { builtin: 'mlp', hidden: [8] };
const isLabelLine = (line: string): boolean => line.startsWith('labels:');

type Finished = Awaited<ReturnType<typeof whole>>;

/**
 * With 2 workers and nothing kept, then with 3 and all kept, then with 1 that keeps nothing: the same bits, and
 * teachers at work where they must be.
 */
async function sameBits(
  run: PreparedRun,
  options: { readonly labels: LabelStorage; readonly workerLabels: () => LabelStorage },
): Promise<{ cold: Finished; warm: Finished }> {
  const cold = await whole(run, 2, options);
  const forward = vi.spyOn(Ensemble.prototype, 'labels');
  const warm = await whole(run, 3, options);
  expect(forward).not.toHaveBeenCalled();
  const none = await whole({ ...run, recipe: { ...run.recipe, labels: { ...run.recipe.labels, cache: false } } }, 1);
  expect(forward).toHaveBeenCalled();
  expect(curve(warm.lines)).toEqual(curve(cold.lines));
  expect(curve(none.lines)).toEqual(curve(cold.lines));
  return { cold, warm };
}

/** All labels of the two teachers. */
const ofTeachers = `${2 * samples} of ${2 * samples} (2 teachers of ${samples} samples)`;

describe('a run with a label cache', () => {
  it.each([
    ['float32', /^$/],
    ['float16', /^labels: float16, \d+ bytes a sample, each number within 1\/2048/],
    ['top-k', /^labels: top-2 with tail mass/],
  ])(
    'of precision %s has the same bits cold, warm, without a cache, and with any number of workers',
    async (precision, bound) => {
      const run = await prepared(student, { labels: { precision, k: 2 } });
      const of = (cache: boolean): PreparedRun => ({
        ...run,
        recipe: { ...run.recipe, labels: { ...run.recipe.labels, cache } },
      });
      const storage = storageOf();
      const options = { labels: storage, workerLabels: storageOf };
      const cold = await whole(of(true), 2, options);
      const forward = vi.spyOn(Ensemble.prototype, 'labels');
      const warm = await whole(of(true), 3, options);
      expect(forward).not.toHaveBeenCalled();
      const none = await whole(of(false), 1);
      expect(forward).toHaveBeenCalled();
      expect([warm.summary.digest, none.summary.digest]).toEqual([cold.summary.digest, cold.summary.digest]);
      expect(curve(warm.lines)).toEqual(curve(cold.lines));
      const [lines, again] = [cold, warm].map(({ said }) => said.filter(isLabelLine));
      expect(lines?.join('\n')).toMatch(bound);
      const read = precision === 'top-k' ? `${samples} of ${samples}` : ofTeachers;
      expect(again).toEqual([...(lines ?? []), `labels: ${read} read from the cache`]);
    },
    60_000,
  );

  it('keeps the labels of every view: the same bits cold, warm, without a cache, and with any number of workers', async () => {
    const run = await prepared(student);
    const augment = { shift: 1, flip: true, noise: 0.1, fill: 0, views: 2 };
    const views = await prepareAgain(run, { ...run.recipe, data: { ...run.recipe.data, augment } });
    const options = { labels: storageOf(), workerLabels: storageOf };
    const { cold, warm } = await sameBits(views, options);
    expect(cold.said.filter(isLabelLine)).toEqual([]);
    expect(warm.said.filter(isLabelLine)).toEqual([
      `labels: ${4 * samples} of ${4 * samples} (2 teachers, 2 views of ${samples} samples) read from the cache`,
    ]);
    expect((await whole(run, 1, options)).said.filter(isLabelLine), 'the samples as they are are others').toEqual([]);
  }, 60_000);

  it.each([
    ['one of two teachers for each sample', { subset: 1 }, undefined],
    ['a specialist', {}, [1]],
  ])(
    'by %s has the same bits cold, warm, without a cache, and with any number of workers',
    async (_case, rule, specialist) => {
      const run = await prepared(student);
      const teachers = run.recipe.teachers.map((teacher) =>
        teacher.name === 'deep' && specialist !== undefined ? { ...teacher, specialist } : teacher,
      );
      const routed = await prepareAgain(run, {
        ...run.recipe,
        teachers,
        ensemble: { ...run.recipe.ensemble, ...rule },
      });
      const options = { labels: storageOf(), workerLabels: storageOf };
      const { cold } = await sameBits(routed, options);
      const plain = await whole(run, 1, options);
      expect(plain.said.filter(isLabelLine), 'the labels of all teachers are others').toEqual([]);
      expect(plain.summary.digest).not.toBe(cold.summary.digest);
    },
    60_000,
  );

  it('keeps the logits of each teacher where a temperature changes, and never softens a mixture again', async () => {
    const run = await prepared(student, {
      losses: {
        crossEntropy: { weight: 0.6 },
        response: { weight: 0.4, temperature: { from: 4, to: 1 } },
        decoupled: { weight: 0.1, temperature: 2 },
        logitMse: { weight: 0.01 },
      },
      ensemble: { combine: 'probabilities', allowChance: true },
      labels: { keep: 'mixture' },
    });
    const storage = storageOf();
    const cold = await whole(run, 2, { labels: storage, workerLabels: storageOf });
    const forward = vi.spyOn(Ensemble.prototype, 'labels');
    const warm = await whole(run, 3, { labels: storage, workerLabels: storageOf });
    expect(forward).not.toHaveBeenCalled();
    const none = await whole({ ...run, recipe: { ...run.recipe, labels: { ...run.recipe.labels, cache: false } } }, 1);
    expect(curve(warm.lines)).toEqual(curve(cold.lines));
    expect(curve(none.lines)).toEqual(curve(cold.lines));
    expect(labelSets(run).map(({ name }) => name)).toEqual(['teacher:wide', 'teacher:deep', 'T=2', 'logits']);
  }, 60_000);

  it('makes no label anew for another temperature, other weights or another way to combine, nor where the mixture is kept', async () => {
    const run = await prepared(student);
    const storage = storageOf();
    const options = { labels: storage, workerLabels: storageOf };
    const first = await whole(run, 2, options);
    const other = await prepareAgain(run, {
      ...run.recipe,
      teachers: run.recipe.teachers.map((teacher, i) => ({ ...teacher, weight: 1 + 3 * i })),
      losses: { crossEntropy: { weight: 0.6, labelSmoothing: 0 }, response: { weight: 0.4, temperature: 1.5 } },
      ensemble: { ...run.recipe.ensemble, combine: 'probabilities' },
    });
    const forward = vi.spyOn(Ensemble.prototype, 'labels');
    const warm = await whole(other, 2, options);
    expect(forward).not.toHaveBeenCalled();
    expect(warm.said).toContain(`labels: ${ofTeachers} read from the cache`);
    expect(warm.summary.digest).not.toBe(first.summary.digest);
    const mixture = { ...other.recipe, labels: { ...other.recipe.labels, keep: 'mixture' as const } };
    expect((await whole(await prepareAgain(other, mixture), 1, options)).summary.digest).toBe(warm.summary.digest);
  }, 60_000);

  it.each(['confidence', 'entropy', 'label'] as const)(
    'weighs the teachers of each sample by %s to the same bits cold, warm, without a cache, and with any number of workers',
    async (by) => {
      const run = await prepared(student);
      const options = { labels: storageOf(), workerLabels: storageOf };
      const plain = await whole(run, 1, options);
      const weighed = await prepareAgain(run, { ...run.recipe, ensemble: { ...run.recipe.ensemble, weights: { by } } });
      const { cold } = await sameBits(weighed, { labels: storageOf(), workerLabels: storageOf });
      const forward = vi.spyOn(Ensemble.prototype, 'labels').mockClear();
      const warm = await whole(weighed, 2, options);
      expect(forward).not.toHaveBeenCalled();
      expect(warm.summary.digest).toBe(cold.summary.digest);
      expect(warm.summary.digest).not.toBe(plain.summary.digest);
    },
    60_000,
  );

  it('trains from a file of labels without a teacher to the bits of the run with the teachers', async () => {
    const run = await prepared(student, { labels: { keep: 'mixture' } });
    const storage = storageOf();
    const taught = await whole(run, 1, { labels: storage });
    const labelBlocks = openLabelBlocks(run, { storage, memoryBytes: 1e9, warn: () => undefined });
    const out = new Float32Array(samples * classes);
    for (let id = 0; id < samples; id++) {
      const number = labelBlocks?.plan.locate(id) ?? 0;
      (await labelBlocks?.open(0, number))?.read(id - (labelBlocks?.plan.blocks[number]?.first ?? 0), out, id * classes);
    }
    await writeNpz(join(run.recipeFolder, 'labels.npz'), [
      { name: 'logits', dims: [samples, classes], pieces: [out] },
      { name: 'temperature', dims: [1], pieces: [Float32Array.of(3)] },
    ]);
    const alone = await prepareAgain(run, {
      ...run.recipe,
      teachers: [],
      labels: { ...run.recipe.labels, from: 'labels.npz' },
    });
    expect(alone.teachers).toEqual([]);
    expect((await whole(alone, 2)).summary.digest).toBe(taught.summary.digest);
    expect(alone.recipeDigest).not.toBe(run.recipeDigest);
    const softened = { crossEntropy: { weight: 0.6, labelSmoothing: 0 }, response: { weight: 0.4, temperature: 2 } };
    await expect(
      prepareAgain(run, {
        ...run.recipe,
        teachers: [],
        losses: softened,
        labels: { ...run.recipe.labels, from: 'labels.npz' },
      }),
    ).rejects.toMatchObject({ exitCode: 2, message: /softened at temperature 3; a loss wants them at 2/ });
    await expect(
      prepareAgain(run, { ...run.recipe, labels: { ...run.recipe.labels, from: 'train.npz' } }),
    ).rejects.toMatchObject({ exitCode: 2, message: /train.npz: no such file/ });
  }, 60_000);

  it('computes damaged blocks again, with one line each, to the same bits', async () => {
    const run = await prepared(student);
    const storage = storageOf();
    const options = { labels: storage, workerLabels: storageOf };
    const cold = await whole(run, 1, options);
    const [set = ''] = readdirSync(storage.folder);
    const [file = ''] = readdirSync(join(storage.folder, set));
    const path = join(storage.folder, set, file);
    writeFileSync(path, readFileSync(path).fill(7, 40));
    const again = await whole(run, 1, options);
    expect(again.summary.digest).toBe(cold.summary.digest);
    expect(again.said.filter((line) => line.includes('damaged'))).toHaveLength(1);
    const third = await whole(run, 1, options);
    expect(third.said.filter((line) => line.includes('damaged'))).toEqual([]);
  }, 60_000);

  it('lets a coordinator without labels have those of its workers', async () => {
    const run = await prepared(student);
    const own = storageOf();
    const cold = await whole(run, 1, { workerLabels: () => own });
    const coordinator = storageOf();
    const warm = await whole(run, 1, { labels: coordinator, workerLabels: () => own });
    const third = await whole(run, 1, { labels: coordinator, workerLabels: storageOf });
    expect([warm.summary.digest, third.summary.digest]).toEqual([cold.summary.digest, cold.summary.digest]);
    expect(third.said).toContain(`labels: ${ofTeachers} read from the cache`);
  }, 60_000);
});

/**
 * Runs whose teachers a column of the data chooses, over real files, teachers and students: the same bits for any number
 * of workers, cold, warm and without a cache, and no teacher at work on samples of others.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { PreparedRun } from '../../../coordinator/plan/prepared-run.js';
import type { LabelStorage } from '../../../shared/labels/storage.js';
import { recipeSchema, type Recipe } from '../../../shared/recipe/schema.js';
import { randomStream } from '../../../shared/random.js';
import { EnsembleTeacher } from '../../../worker/compute/teachers/ensemble-teacher.js';
import { temporaryFolder } from '../fakes.js';
import { makeLayersModel, reference, referenceFolder, saveLayersModel } from '../compute/teachers/fixtures.js';
import { openWasm } from '../../../worker/compute/backends/wasm/wasm.js';
import { curve, prepareAgain, prepareIn, whole } from './real-runs.js';

const { classes, shape } = reference;
const pixels = shape.reduce((a, b) => a * b, 1);
const samples = 60;

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

/** By `wide` a half of the samples, by `deep` a third, by both the rest. */
const wayOf = (id: number): string => (id % 2 === 0 ? 'w' : id % 3 === 0 ? 'both' : 'd');

function writeCsv(path: string, count: number): void {
  const names = Array.from({ length: pixels }, (_, i) => `p${i}`);
  const lines = Array.from({ length: count }, (_, id) => {
    const random = randomStream(['sample', id]);
    return [id % classes, wayOf(id), ...names.map(() => random.float().toFixed(4))].join();
  });
  writeFileSync(path, [['y', 'way', ...names].join(), ...lines].join('\n'));
}

/** The same samples with target vectors of zeros and ones in place of classes. */
function writeTargets(path: string, count: number): void {
  const names = [...Array.from({ length: classes }, (_, k) => `t${k}`), 'way'];
  const lines = Array.from({ length: count }, (_, id) => {
    const random = randomStream(['sample', id]);
    const targets = Array.from({ length: classes }, (_unused, k) => Number(id % classes === k || id % 2 === k));
    return [...targets, wayOf(id), ...Array.from({ length: pixels }, () => random.float().toFixed(4))].join();
  });
  const pixelNames = Array.from({ length: pixels }, (_, i) => `p${i}`);
  writeFileSync(path, [[...names, ...pixelNames].join(), ...lines].join('\n'));
}

const route = { column: 'way', teachers: { w: 'wide', d: 'deep', both: ['wide', 'deep'] } };

function recipeOf(overrides: Record<string, unknown> = {}): Recipe {
  const source = (inputs: string): object => ({ format: 'csv', inputs, labels: 'y', shape });
  return recipeSchema.parse({
    name: 'routed',
    seed: 3,
    student: { builtin: 'mlp', hidden: [8] },
    losses: { crossEntropy: { weight: 0.6 }, response: { weight: 0.4, temperature: 3 } },
    teachers: [
      { name: 'wide', model: join(referenceFolder, 'tiny.onnx'), weight: 2 },
      { name: 'deep', model: 'deep/model.json' },
    ],
    ensemble: { allowChance: true, route },
    data: { train: source('train.csv'), eval: source('eval.csv'), shardSamples: 16, classes },
    optimizer: { name: 'adam', learningRate: 0.01 },
    batch: { size: 24, micro: 8 },
    epochs: 2,
    ...overrides,
  });
}

async function prepared(overrides: Record<string, unknown> = {}): Promise<PreparedRun> {
  const folder = temporaryFolder();
  folders.push(folder);
  writeCsv(join(folder, 'train.csv'), samples);
  writeCsv(join(folder, 'eval.csv'), 20);
  writeTargets(join(folder, 'train-targets.csv'), samples);
  writeTargets(join(folder, 'eval-targets.csv'), 20);
  await openWasm();
  await saveLayersModel(makeLayersModel(), join(folder, 'deep'));
  return prepareIn(folder, recipeOf(overrides));
}

const again = (run: PreparedRun, ensemble: object, more: Partial<Recipe> = {}): Promise<PreparedRun> =>
  prepareAgain(run, { ...run.recipe, ...more, ensemble: { ...run.recipe.ensemble, ...ensemble } });

/** Gives the rows that each teacher was asked about since the last time. */
function countRows(): () => Record<string, number> {
  const asked = vi.spyOn(EnsembleTeacher.prototype, 'run');
  return () => {
    const rows: Record<string, number> = {};
    asked.mock.calls.forEach(([given], i) => {
      const { name } = (asked.mock.contexts[i] as EnsembleTeacher).spec;
      rows[name] = (rows[name] ?? 0) + given.rows;
    });
    asked.mockClear();
    return rows;
  };
}
const evaluated = 20;
const ways = Array.from({ length: samples }, (_, id) => wayOf(id));
const [ofWide, ofDeep] = ['d', 'w'].map((others) => ways.filter((way) => way !== others).length);
const figureNames = { mse: true, mae: true, r2: true, microF1: true, exactMatch: true, labelAccuracy: true };
const isLabelLine = (line: string): boolean => line.startsWith('labels:');

describe('a run whose teachers a column chooses', () => {
  it('asks each teacher about its own samples once, and has the same bits for any number of workers and any cache', async () => {
    const run = await prepared();
    const options = { labels: storageOf(), workerLabels: storageOf };
    const rows = countRows();
    const cold = await whole(run, 1, options);
    expect(rows()).toEqual({ wide: (ofWide ?? 0) + evaluated, deep: (ofDeep ?? 0) + evaluated });
    const warm = await whole(run, 3, options);
    expect(rows()).toEqual({ wide: evaluated, deep: evaluated });
    const count = (ofWide ?? 0) + (ofDeep ?? 0);
    expect(warm.said.filter(isLabelLine)).toEqual([
      `labels: ${count} of ${count} (2 teachers, each of its own samples) read from the cache`,
    ]);
    const labels = { ...run.recipe.labels, cache: false };
    const none = await whole({ ...run, recipe: { ...run.recipe, labels } }, 2);
    const mixture = await whole(await again(run, {}, { labels: { ...run.recipe.labels, keep: 'mixture' } }), 3, {
      labels: storageOf(),
      workerLabels: storageOf,
    });
    expect([warm, none, mixture].map(({ summary }) => summary.digest)).toEqual(
      Array.from({ length: 3 }, () => cold.summary.digest),
    );
    expect(curve(warm.lines)).toEqual(curve(cold.lines));
  }, 120_000);

  it('reads the labels that another route has left, and asks for those alone that it lacks', async () => {
    const run = await prepared();
    const options = { labels: storageOf(), workerLabels: storageOf };
    const first = await whole(run, 2, options);
    // Samples that `deep` had alone go to both: of `wide` those are new, of `deep` none.
    const changed = await again(run, { route: { ...route, teachers: { w: 'wide', d: ['wide', 'deep'], both: 'deep' } } });
    const rows = countRows();
    const second = await whole(changed, 1, options);
    expect(rows()).toEqual({
      wide: ways.filter((way) => way === 'd').length + evaluated,
      deep: evaluated,
    });
    expect(second.summary.digest).not.toBe(first.summary.digest);
    const fresh = await whole(changed, 3, { labels: storageOf(), workerLabels: storageOf });
    expect(fresh.summary.digest).toBe(second.summary.digest);
  }, 120_000);

  it.each([
    ['regression', { regression: { weight: 0.5 }, embedding: { weight: 0.5 } }],
    ['multiLabel', { binaryCrossEntropy: { weight: 0.5 }, multiLabel: { weight: 0.5 } }],
  ] as const)('goes for answers that are no classes: %s', async (task, losses) => {
    const names = Array.from({ length: classes }, (_, k) => `t${k}`);
    const source = (inputs: string): object => ({ format: 'csv', inputs, targets: names, shape });
    const data = { task, train: source('train-targets.csv'), eval: source('eval-targets.csv'), shardSamples: 16 };
    const run = await prepared({ losses, data });
    expect(run.manifest.train.shape).toEqual(shape);
    const cold = await whole(run, 1, { labels: storageOf(), workerLabels: storageOf });
    const none = await whole({ ...run, recipe: { ...run.recipe, labels: { ...run.recipe.labels, cache: false } } }, 3);
    expect(none.summary.digest).toBe(cold.summary.digest);
    const alone = await whole(
      await again(run, { route: { ...route, teachers: { w: 'wide', d: 'wide', both: 'wide' } } }),
      2,
    );
    expect(alone.summary.digest).not.toBe(cold.summary.digest);
    // An ensemble of one teacher is that teacher.
    const [wide] = alone.summary.teachers;
    const figures = Object.entries(alone.summary.ensemble ?? {}).filter(([name]) => name in figureNames);
    expect(figures.length).toBeGreaterThan(0);
    expect(wide).toMatchObject(Object.fromEntries(figures));
    const line = cold.said.find((text) => text.startsWith('teachers, '));
    const ofWay = (others: string): number =>
      Array.from({ length: evaluated }, (_, id) => wayOf(id)).filter((way) => way !== others).length;
    expect(line).toContain(`of the ${ofWay('d')} that it labels`);
    expect(line).toContain(`of the ${ofWay('w')} that it labels`);
  }, 120_000);

  it('weighs the teachers of each sample among themselves, by what they say of it, too', async () => {
    const run = await prepared({ ensemble: { allowChance: true, route, weights: { by: 'label' } } });
    const cold = await whole(run, 3, { labels: storageOf(), workerLabels: storageOf });
    const none = await whole({ ...run, recipe: { ...run.recipe, labels: { ...run.recipe.labels, cache: false } } }, 1);
    expect(none.summary.digest).toBe(cold.summary.digest);
  }, 120_000);

  it('refuses a sample whose teachers nobody names, and says how many each labels', async () => {
    const run = await prepared();
    await expect(again(run, { route: { column: 'way', teachers: { w: 'wide', d: 'deep' } } })).rejects.toMatchObject({
      exitCode: 65,
      message: 'data.train: sample 3 has "both" in way; one of w, d wanted, or ensemble.route.otherwise',
    });
    await expect(again(run, { route: { column: 'way' } })).rejects.toMatchObject({
      message: 'data.train: sample 0 has "w" in way; one of wide, deep wanted, or ensemble.route.otherwise',
    });
    const rest = await again(run, { route: { column: 'way', teachers: { w: 'wide' }, otherwise: 'deep' } });
    expect([rest.routes?.at(0), rest.routes?.at(1), rest.routes?.at(3)]).toEqual([['wide'], ['deep'], ['deep']]);
    expect(rest.recipeDigest).not.toBe(run.recipeDigest);
    expect(rest.manifest.train.shards).toEqual(run.manifest.train.shards);
  }, 60_000);
});

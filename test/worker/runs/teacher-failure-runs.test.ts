/** Whole runs with a teacher that breaks on some samples: who computes them, and when, makes no difference. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { JournalLine } from '../../../coordinator/store/journal.js';
import { LabelService } from '../../../coordinator/labels/service.js';
import type { PreparedRun } from '../../../coordinator/plan/prepared-run.js';
import type { LabelStorage } from '../../../shared/labels/storage.js';
import { ensembleDigest, ensembleFormOf } from '../../../shared/labels/ensemble-digest.js';
import { Ensemble } from '../../../worker/compute/teachers/ensemble.js';
import { openWasm } from '../../../worker/compute/backends/wasm/wasm.js';
import { curve, prepareAgain, prepared, whole } from './real-runs.js';
import { reference, referenceFolder, saveLayersModel } from '../compute/teachers/fixtures.js';

const folders: string[] = [];
afterEach(() => {
  vi.restoreAllMocks();
  folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true }));
});

function folderOf(): string {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse-failing-'));
  folders.push(folder);
  return folder;
}

function storageOf(): LabelStorage {
  return { folder: folderOf(), maxBytes: 2 ** 30 };
}

/** Gives infinity for samples whose first value is above the bound, and 0 for all classes for the others. */
async function saveBroken(bound: number): Promise<string> {
  await openWasm();
  const size = reference.shape.reduce((a, b) => a * b, 1);
  const first = tf.tensor2d(
    Float32Array.from({ length: size }, (_, i) => (i === 0 ? 1e30 : 0)),
    [size, 1],
  );
  const model = tf.sequential();
  model.add(tf.layers.flatten({ inputShape: reference.shape }));
  model.add(tf.layers.dense({ units: 1, activation: 'relu', weights: [first, tf.tensor1d([-1e30 * bound])] }));
  model.add(
    tf.layers.dense({
      units: reference.classes,
      weights: [tf.fill([1, reference.classes], 1e30), tf.zeros([reference.classes])],
    }),
  );
  return saveLayersModel(model, join(folderOf(), 'broken'));
}

const others = [
  { name: 'wide', model: join(referenceFolder, 'tiny.onnx'), weight: 2 },
  { name: 'deep', model: 'deep/model.json' },
];

async function withBroken(bound: number, overrides: Record<string, unknown> = {}): Promise<PreparedRun> {
  const [wide, deep] = others;
  return prepared(
    { builtin: 'mlp', hidden: [8] },
    {
      teachers: [wide, { name: 'broken', model: await saveBroken(bound), weight: 3 }, deep],
      ensemble: { onFailure: 'drop', allowChance: true },
      ...overrides,
    },
  );
}

const droppedIn = (lines: readonly JournalLine[]): string[] =>
  lines.flatMap((line) =>
    line.type === 'commit' || line.type === 'evaluation'
      ? [`${line.type} ${line.step}: ${line.dropped?.join() ?? ''}`]
      : [],
  );

/** Breaks at step 1 of 9; at 0.1, at the evaluation before step 0. */
const inTheMiddle = 0.18;
const atOnce = 0.1;
/** On every sample, that of the numerics probe too. */
const always = -10;

describe('a run whose teacher breaks', () => {
  it.each(['logits', 'probabilities'])(
    'goes on without it to the same bits with any number of workers and connections cut, from %s',
    async (combine) => {
      const run = await withBroken(inTheMiddle, { ensemble: { onFailure: 'drop', allowChance: true, combine } });
      const one = await whole(run, 1);
      const [first, second, ...later] = droppedIn(one.lines);
      expect([first, second, later[0]]).toEqual(['evaluation 0: ', 'commit 0: ', 'commit 1: broken']);
      expect(later.filter((line) => !line.endsWith(': broken'))).toEqual([]);
      const shared = { labels: storageOf(), workerLabels: storageOf };
      const ended = vi.spyOn(LabelService.prototype, 'endLeases');
      for (const [workers, options] of [
        [2, {}],
        [3, shared],
        [1, shared],
        [2, { cut: true }],
      ] as const) {
        const other = await whole(run, workers, options);
        expect(curve(other.lines)).toEqual(curve(one.lines));
        expect(other.summary.digest).toBe(one.summary.digest);
      }
      // Once when it is dropped, in each run that shares labels.
      expect(ended).toHaveBeenCalledTimes(2);
      expect(one.summary.dropped).toEqual([{ name: 'broken', step: 1 }]);
      expect(one.said.filter((line) => line.includes('goes on without it'))).toHaveLength(1);
      const never = await prepareAgain(run, {
        ...run.recipe,
        teachers: run.recipe.teachers.filter(({ name }) => name !== 'broken'),
      });
      expect((await whole(never, 2)).summary.digest, 'step 0 had it').not.toBe(one.summary.digest);
    },
    60_000,
  );

  it('comes to what a run comes to that never had it, where it breaks at once; labels that were kept for that run are read', async () => {
    const run = await withBroken(atOnce, {
      losses: {
        crossEntropy: { weight: 0.6 },
        response: { weight: 0.4, temperature: { from: 4, to: 1 } },
        logitMse: { weight: 0.01 },
      },
    });
    const storage = storageOf();
    const never = await prepareAgain(run, {
      ...run.recipe,
      teachers: run.recipe.teachers.filter(({ name }) => name !== 'broken'),
    });
    const wanted = await whole(never, 1, { workerLabels: () => storage });
    const forward = vi.spyOn(Ensemble.prototype, 'labels');
    const found = await whole(run, 2, { workerLabels: () => storage });
    expect(found.summary.digest).toBe(wanted.summary.digest);
    // With the broken one, its samples were asked for; without it, none was.
    const digests = new Set(forward.mock.contexts.map((ensemble) => (ensemble as Ensemble).digest));
    expect(digests).toEqual(
      new Set([ensembleDigest(run.teachers, { combine: 'logits', rows: 5, inputShape: reference.shape })]),
    );
    expect(found.summary.teachers.find(({ name }) => name === 'broken')?.accuracy).toBeUndefined();
  }, 60_000);

  it.each([
    ['so many of the teachers a sample', { ensemble: { onFailure: 'drop', allowChance: true, subset: 2 } }],
    ['specialists', { ensemble: { onFailure: 'drop', allowChance: true }, isSpecialist: true }],
  ])(
    'comes to what a run comes to that never had it, with %s',
    async (_what, { ensemble, ...rest }) => {
      const all = await withBroken(atOnce, { ensemble });
      const teachers = all.recipe.teachers.map((teacher) =>
        teacher.name === 'broken' && 'isSpecialist' in rest ? { ...teacher, specialist: [0, 2] } : teacher,
      );
      const run = await prepareAgain(all, { ...all.recipe, teachers });
      const never = await prepareAgain(run, {
        ...run.recipe,
        teachers: teachers.filter(({ name }) => name !== 'broken'),
      });
      const [wanted, found] = [await whole(never, 1), await whole(run, 1)];
      const forward = vi.spyOn(Ensemble.prototype, 'labels');
      const again = await whole(run, 3);
      const digests = [run, never].map(({ recipe, teachers: specs }) =>
        ensembleDigest(specs, ensembleFormOf(recipe, specs, reference.shape)),
      );
      expect(new Set(forward.mock.contexts.map((ensemble) => (ensemble as Ensemble).digest))).toEqual(new Set(digests));
      expect(found.summary.dropped).toEqual([{ name: 'broken', step: 0 }]);
      expect([found.summary.digest, again.summary.digest]).toEqual([wanted.summary.digest, wanted.summary.digest]);
    },
    60_000,
  );

  it('is begun by workers that it lets fail their probe: there is nothing to compare, and the run says what comes of it', async () => {
    const run = await withBroken(always);
    const { summary, said } = await whole(run, 2);
    expect(
      said.filter((line) =>
        line.endsWith('nothing to compare its numerics by: teacher broken: it gives Infinity; a finite number wanted'),
      ),
    ).toHaveLength(2);
    expect([summary.dropped, summary.workers.map(({ numerics }) => numerics)]).toEqual([
      [{ name: 'broken', step: 0 }],
      ['unknown', 'unknown'],
    ]);
    const stopped = await withBroken(always, { ensemble: { allowChance: true } });
    await expect(whole(stopped, 2)).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(
        /^models ended at step 0: teacher broken failed at .*, micro-batch.* of the teachers evaluation at step 0: micro-batch 0: it gives Infinity/,
      ),
    });
  }, 60_000);

  it('ends in one line by default, and names teacher, micro-batch, step, workers and reason', async () => {
    const run = await withBroken(inTheMiddle, { ensemble: { allowChance: true } });
    for (const workers of [1, 2]) {
      const at = workers === 1 ? 'w1' : 'w(1 and w2|2 and w1)';
      await expect(whole(run, workers)).rejects.toMatchObject({
        exitCode: 65,
        message: expect.stringMatching(
          new RegExp(
            `^models ended at step 1: teacher broken failed at ${at}, micro-batch.* of step 1: micro-batch 4: it gives Infinity; a finite number wanted \\(--force --set ensemble.onFailure=drop goes on without it\\)$`,
          ),
        ),
      });
    }
  }, 60_000);

  it('ends where there is no other teacher to go on with', async () => {
    const run = await withBroken(inTheMiddle, {
      teachers: [
        { name: 'broken', model: await saveBroken(inTheMiddle) },
        { name: 'worse', model: await saveBroken(atOnce) },
      ],
    });
    await expect(whole(run, 2)).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(
        /^models ended at step 1: teacher broken failed at .*; there is no other teacher to go on with$/,
      ),
    });
  }, 60_000);
});

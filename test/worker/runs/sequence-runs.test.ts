/**
 * Whole runs on sequences with masks: the same bits for any number of workers, live and kept labels, and padding that
 * changes nothing.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { baselineRecipe } from '../../../cli/prepare/baseline.js';
import { figuresByTask } from '../../../shared/figures/tasks.js';
import type { JournalLine } from '../../../coordinator/store/journal.js';
import type { PreparedRun } from '../../../coordinator/plan/prepared-run.js';
import { randomStream } from '../../../shared/random.js';
import { recipeSchema } from '../../../shared/recipe/schema.js';
import { installedPlugins } from '../../../shared/recipe/plugins.js';
import { planTaps } from '../../../cli/prepare/taps.js';
import { openWasm } from '../../../worker/compute/backends/wasm/wasm.js';
import { temporaryFolder } from '../fakes.js';
import { curve, prepareAgain, prepareIn, whole } from './real-runs.js';
import { saveLayersModel } from '../compute/teachers/fixtures.js';

const [features, classes, samples, longest] = [3, 3, 40, 6];
const padding = -100;
const lengthOf = (id: number): number => (id === 7 ? 0 : 2 + (id % (longest - 1)));
const positionsIn = (ids: readonly number[]): number => ids.reduce((sum, id) => sum + lengthOf(id), 0);
const everyId = Array.from({ length: samples }, (_, id) => id);
const isTold = (id: number): boolean => id % 4 !== 3;

function npy(
  folder: string,
  name: string,
  type: '<f4' | '<i4',
  dims: readonly number[],
  values: readonly number[],
): void {
  const header = Buffer.from(
    `{'descr': '${type}', 'fortran_order': False, 'shape': (${dims.join(', ')},), }`.padEnd(117) + '\n',
  );
  const bytes = type === '<f4' ? Float32Array.from(values) : Int32Array.from(values);
  writeFileSync(
    join(folder, name),
    Buffer.concat([Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 118, 0]), header, Buffer.from(bytes.buffer)]),
  );
}

/**
 * A token is told by the one before it; sample 7 is all padding; of every fourth no position has a label. What is
 * behind a sequence's end is noise.
 */
function writeSequences(folder: string, positions: number): void {
  const inputs: number[] = [];
  const labels: number[] = [];
  for (const id of everyId) {
    const random = randomStream(['sequence', id]);
    const tokens = Array.from({ length: positions }, () => random.below(features));
    const noise = randomStream(['noise', id, positions]);
    tokens.forEach((token, at) => {
      const isInside = at < lengthOf(id);
      for (let k = 0; k < features; k++) inputs.push(isInside ? (k === token ? 1 : 0) : noise.float());
      labels.push(!isInside ? padding : isTold(id) ? (tokens[at - 1] ?? 0) : -1);
    });
  }
  npy(folder, 'x.npy', '<f4', [samples, positions, features], inputs);
  npy(folder, 'y.npy', '<i4', [samples, positions], labels);
}

interface Shape {
  readonly positions: number;
  readonly kind: 'causal' | 'conv';
  readonly units: number;
}

function modelOf({ positions, kind, units }: Shape, seed: number): tf.Sequential {
  const init = tf.initializers.randomUniform({ minval: -0.9, maxval: 0.9, seed });
  const model = tf.sequential();
  if (kind === 'causal')
    model.add(
      tf.layers.lstm({
        name: 'memory',
        units,
        returnSequences: true,
        inputShape: [positions, features],
        kernelInitializer: init,
        recurrentInitializer: init,
      }),
    );
  else
    model.add(
      tf.layers.conv1d({
        name: 'memory',
        filters: units,
        kernelSize: 3,
        padding: 'same',
        activation: 'relu',
        inputShape: [positions, features],
        kernelInitializer: init,
      }),
    );
  model.add(tf.layers.dense({ name: 'tags', units: classes, kernelInitializer: init }));
  return model;
}

const losses = {
  crossEntropy: { weight: 0.3, labelSmoothing: 0.1 },
  response: { weight: 0.5, temperature: 2 },
  logitMse: { weight: 0.1 },
  features: {
    weight: 0.2,
    pairs: [
      { student: 'memory', teacher: 'one/memory', adapter: 'conv1x1' },
      { student: 'logits', teacher: 'two/logits' },
    ],
  },
};

async function prepared(
  overrides: Record<string, unknown> = {},
  { positions = longest, kind = 'causal' }: { positions?: number; kind?: 'causal' | 'conv' } = {},
): Promise<PreparedRun> {
  const folder = temporaryFolder();
  writeSequences(folder, positions);
  await openWasm();
  await saveLayersModel(modelOf({ positions, kind, units: 4 }, 1), join(folder, 'student'));
  await saveLayersModel(modelOf({ positions, kind, units: 6 }, 2), join(folder, 'one'));
  await saveLayersModel(modelOf({ positions, kind, units: 5 }, 3), join(folder, 'two'));
  const source = { format: 'npy', inputs: 'x.npy', labels: 'y.npy', paddingLabel: padding };
  return prepareIn(
    folder,
    recipeSchema.parse({
      name: 'tags',
      seed: 3,
      student: { model: 'student/model.json' },
      losses,
      ensemble: { allowChance: true },
      teachers: [
        { name: 'one', model: 'one/model.json', weight: 2 },
        { name: 'two', model: 'two/model.json' },
      ],
      data: { task: 'sequence', classes, train: source, eval: source, shardSamples: 16 },
      optimizer: { name: 'adam', learningRate: 0.02 },
      batch: { size: 16, micro: 5 },
      epochs: 2,
      ...overrides,
    }),
  );
}

beforeAll(async () => {
  await openWasm();
});

const counted = (lines: readonly JournalLine[], term: string): number =>
  lines.reduce((sum, line) => sum + (line.type === 'commit' && line.epoch === 0 ? (line.counts[term] ?? 0) : 0), 0);

describe('a run on sequences', () => {
  it.each(['causal', 'conv'] as const)(
    'of a %s student has the same bits with 1, 2 and 3 workers and live labels, and counts the positions that are none of padding',
    async (kind) => {
      const run = await prepared({}, { kind });
      expect(run.manifest).toMatchObject({
        task: 'sequence',
        classes,
        train: { positions: longest, isWeighted: true },
      });
      const [one, two, three] = [await whole(run, 1), await whole(run, 2, { cut: true }), await whole(run, 3)];
      expect(curve(two.lines)).toEqual(curve(one.lines));
      expect(curve(three.lines)).toEqual(curve(one.lines));
      const live = await whole(
        await prepareAgain(run, { ...run.recipe, labels: { ...run.recipe.labels, cache: false } }),
        2,
      );
      expect(curve(live.lines)).toEqual(curve(one.lines));
      const [all, labelled] = [positionsIn(everyId), positionsIn(everyId.filter(isTold))];
      expect(['crossEntropy', 'response', 'logitMse', 'features'].map((term) => counted(one.lines, term))).toEqual([
        labelled,
        all,
        all,
        all,
      ]);
      const [before, , after] = one.lines.filter((line) => line.type === 'evaluation');
      expect(after?.sums).toMatchObject({
        samples: labelled,
        sequences: everyId.filter((id) => isTold(id) && lengthOf(id) > 0).length,
      });
      expect(one.summary.student).toMatchObject(figuresByTask.sequence.figuresOf(after?.sums ?? {}, 'student'));
      expect(one.summary.student.exactMatch).toEqual(expect.any(Number));
      expect(one.summary.teachers[0]).toMatchObject({
        accuracy: (before?.sums['teacher.one.correct'] ?? NaN) / labelled,
      });
      expect(one.said.join('\n')).toContain(`teachers, token accuracy on ${labelled} positions of `);
    },
    60_000,
  );

  it.each([{ precision: 'float16' }, { precision: 'top-k', k: 2 }])(
    'keeps labels at each position, with the same bits for 1 and 2 workers and live: %j',
    async (labels) => {
      const { logitMse: _, ...others } = losses;
      const of = async (more: object, workers: number): Promise<unknown> =>
        curve(
          (await whole(await prepared({ epochs: 1, losses: others, labels: { ...labels, ...more } }), workers)).lines,
        );
      const [one, two, live, exact] = [
        await of({}, 1),
        await of({}, 2),
        await of({ cache: false }, 1),
        await of({ precision: 'float32' }, 1),
      ];
      expect(two).toEqual(one);
      expect(live).toEqual(one);
      expect(exact).not.toEqual(one);
    },
    60_000,
  );

  it('trains earlier exits, and earlier taps against later ones, position by position', async () => {
    const folder = (await prepared()).recipeFolder;
    const init = tf.initializers.randomUniform({ minval: -0.9, maxval: 0.9, seed: 5 });
    const input = tf.input({ shape: [longest, features] });
    const memory = tf.layers
      .lstm({ name: 'memory', units: 4, returnSequences: true, kernelInitializer: init, recurrentInitializer: init })
      .apply(input) as tf.SymbolicTensor;
    const later = tf.layers
      .dense({ name: 'later', units: 4, activation: 'tanh', kernelInitializer: init })
      .apply(memory) as tf.SymbolicTensor;
    const outputs = [
      tf.layers.dense({ name: 'early', units: classes, kernelInitializer: init }).apply(memory),
      tf.layers.dense({ name: 'tags', units: classes, kernelInitializer: init }).apply(later),
    ] as tf.SymbolicTensor[];
    await saveLayersModel(tf.model({ inputs: input, outputs }), join(folder, 'exits'));
    const { recipe } = await prepared();
    const run = await prepareIn(
      folder,
      recipeSchema.parse({
        ...recipe,
        epochs: 1,
        student: { model: 'exits/model.json' },
        losses: {
          crossEntropy: { weight: 0.5 },
          exitCrossEntropy: { weight: 0.3 },
          exitResponse: { weight: 0.3 },
          selfDistillation: { weight: 0.1, from: ['memory'], to: 'later' },
        },
      }),
    );
    const [one, two] = [await whole(run, 1), await whole(run, 2)];
    expect(curve(two.lines)).toEqual(curve(one.lines));
    const [all, labelled] = [positionsIn(everyId), positionsIn(everyId.filter(isTold))];
    expect(['exitCrossEntropy', 'exitResponse', 'selfDistillation'].map((term) => counted(one.lines, term))).toEqual([
      labelled,
      all,
      all,
    ]);
    expect(one.summary.student.exits).toEqual({ early: expect.any(Number) });
  }, 60_000);

  it('may be labelled by some of the teachers each', async () => {
    const run = await prepared({ epochs: 1, ensemble: { allowChance: true, subset: 1 } });
    const [one, two] = [await whole(run, 1), await whole(run, 2)];
    expect(curve(two.lines)).toEqual(curve(one.lines));
    const of = async (subset: number | undefined): Promise<unknown> =>
      curve(
        (await whole(await prepareAgain(run, { ...run.recipe, ensemble: { ...run.recipe.ensemble, subset } }), 1))
          .lines,
      );
    const all = await of(undefined);
    expect(curve(one.lines)).not.toEqual(all);
    // Both of two teachers, chosen sample by sample.
    expect(await of(2)).toEqual(all);
  }, 60_000);

  it('changes by rounding alone when every sequence is padded further and no model looks ahead', async () => {
    const of = async (positions: number): Promise<JournalLine[]> =>
      (await whole(await prepared({}, { positions }), 1)).lines;
    const [short, long] = [await of(longest), await of(longest + 4)];
    const numbers = (lines: JournalLine[]): number[] =>
      lines.flatMap((line) =>
        line.type === 'commit'
          ? [...Object.values(line.loss), ...Object.values(line.counts)]
          : line.type === 'evaluation'
            ? Object.values(line.sums)
            : [],
      );
    const [found, wanted] = [numbers(long), numbers(short)];
    expect(found).toHaveLength(wanted.length);
    // Two epochs of steps: a kernel of another size may add in another order.
    found.forEach((value, i) =>
      expect(Math.abs(value - (wanted[i] ?? NaN))).toBeLessThan(1e-4 * Math.max(1, Math.abs(wanted[i] ?? NaN))),
    );
  }, 60_000);

  it('gives a plug-in each position as a row, on logits and on pairs', async () => {
    const file = join(temporaryFolder(), 'rows.js');
    writeFileSync(
      file,
      `export function loss({ rows, classes, logits, labels, student }) {
      const [width, length] = student === undefined ? [classes, logits.length] : [student.shape[0], student.values.length];
      if (student !== undefined && student.shape.length !== 1) throw new Error('a shape of ' + student.shape.join());
      return { values: Array.from({ length: rows }, () => length / rows / width + labels.length / rows), gradient: new Float64Array(length) };
    }`,
    );
    const plugins = await installedPlugins([file], undefined);
    for (const pairs of [undefined, [{ student: 'memory', teacher: 'one/memory', adapter: 'conv1x1' }]]) {
      const plain = await prepared({ epochs: 1 });
      const run = await prepareIn(
        plain.recipeFolder,
        recipeSchema.parse({
          ...plain.recipe,
          losses: {
            crossEntropy: { weight: 1 },
            plugins: { rows: { weight: 1, ...(pairs === undefined ? {} : { pairs }) } },
          },
        }),
        plugins,
      );
      const { lines } = await whole(run, 1, { plugins });
      const value = lines.reduce(
        (sum, line) => sum + (line.type === 'commit' ? (line.loss['plugins.rows'] ?? 0) : 0),
        0,
      );
      expect(value).toBe(2 * positionsIn(everyId));
    }
  }, 60_000);

  it('alone learns what the token before was, on the labelled sequences', async () => {
    const run = await prepared();
    const recipe = baselineRecipe(run);
    // 30 sequences with a label somewhere are 2 steps, the run's 40 are 3.
    expect([Object.keys(recipe.losses), recipe.data.train.onlyLabelled, recipe.evaluate]).toEqual([
      ['crossEntropy'],
      true,
      { everyEpochs: 2 },
    ]);
    const alone = await prepareAgain(run, {
      ...recipe,
      steps: 80,
      optimizer: { ...run.recipe.optimizer, learningRate: 0.05 },
    });
    const { summary } = await whole(alone, 2);
    expect(summary.student.accuracy).toBeGreaterThan(0.8);
    expect(summary.student.exactMatch).toBeGreaterThan(0.3);
  }, 60_000);
});

describe('sequences that do not fit', () => {
  const source = { format: 'npy', inputs: 'x.npy', labels: 'y.npy', paddingLabel: padding };
  it.each([
    [
      'a student of another number of classes',
      { data: { task: 'sequence', classes: 4, train: source } },
      'student student/model.json: its output shape is [6, 3]; the data has 4 classes at 6 positions',
    ],
    [
      'labels of positions without the task',
      { data: { classes, train: { ...source, labels: 'y.npy' } } },
      'data.train: labels of 6 positions a sample; one a sample (or one-hot labels, of a single 1 each) wanted, or data.task sequence',
    ],
    [
      'a tap without positions',
      { losses: { features: { weight: 1, pairs: [{ student: 'memory', teacher: 'one/tags' }] } } },
      'differ in their channels; adapter conv1x1 wanted',
    ],
    [
      'classes that are none',
      { data: { task: 'sequence', classes: 2, train: source } },
      'data.train: sample 1 has label 2 at position',
    ],
  ])('are refused in one line: %s', async (_, overrides, text) => {
    const error: unknown = await prepared(overrides).then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ name: 'UserError', message: expect.stringContaining(text) });
    expect(String(error)).not.toContain('\n');
  });

  it('are refused where a tap has other positions', async () => {
    const run = await prepared();
    const taps = new Map([
      ['one', [{ name: 'memory', shape: [3, 6] }]],
      ['two', []],
    ]);
    await expect(
      planTaps({
        recipe: run.recipe,
        student: { spec: { ...run.student, weights: [] }, weights: new Map() },
        teachers: taps,
      }),
    ).rejects.toThrow('losses.features: one/memory is of [3, 6]; [6, features] wanted, a vector at each position');
  });

  it('are refused where a teacher gives no sequence', async () => {
    const run = await prepared();
    const flat = tf.sequential({
      layers: [tf.layers.flatten({ inputShape: [longest, features] }), tf.layers.dense({ units: classes })],
    });
    await saveLayersModel(flat, join(run.recipeFolder, 'flat'));
    const [first] = run.recipe.teachers;
    if (first === undefined) throw new Error('no teacher');
    await expect(
      prepareAgain(run, {
        ...run.recipe,
        losses: { response: { weight: 1, temperature: 2 } },
        teachers: [{ ...first, model: 'flat/model.json' }],
      }),
    ).rejects.toThrow(/teacher one: its output has the shape \[2, 3\]; wanted \[2, 6, classes\]/);
  });
});

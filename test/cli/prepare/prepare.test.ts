/** Runs prepared from small files: real data, students and teachers, on the wasm backend. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { digestOfValue, prepareRun } from '../../../cli/prepare/prepare.js';
import type { PreparedRun } from '../../../coordinator/plan/prepared-run.js';
import { epochOrder } from '../../../shared/data/sampler.js';
import type { InstalledPlugins } from '../../../shared/recipe/plugins.js';
import { recipeSchema } from '../../../shared/recipe/schema.js';
import { openWasm } from '../../../worker/compute/backends/wasm/wasm.js';
import {
  reference,
  referenceFolder,
  saveLayersModel,
  temporaryFolder,
} from '../../worker/compute/teachers/fixtures.js';
import { arrayFiles } from './sources/array-files.js';

beforeAll(async () => {
  await openWasm();
});

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);

/** Reads the shape of the reference's teachers, and gives their classes; its kernel is the given number throughout. */
function linear(kernel: number): tf.LayersModel {
  const dense = tf.layers.dense({ units: reference.classes, name: 'dense' });
  const flat = tf.layers.flatten({ inputShape: reference.shape, name: 'flat' });
  const model = tf.sequential({ name: 'linear', layers: [flat, dense] });
  dense.setWeights(dense.getWeights().map((weights) => tf.fill(weights.shape, kernel)));
  return model;
}

/** Reads four numbers of tokens. */
function reader(): tf.LayersModel {
  return tf.sequential({
    layers: [
      tf.layers.embedding({ inputDim: 9, outputDim: 2, inputLength: 4, name: 'words' }),
      tf.layers.flatten(),
      tf.layers.dense({ units: reference.classes }),
    ],
  });
}

interface Files {
  /** Makes the student; absent: the recipe has a built-in one. */
  readonly student?: () => tf.LayersModel;
  readonly trainShape?: readonly number[];
  /** Null: none. */
  readonly trainLabels?: readonly number[] | null;
  readonly evalShape?: readonly number[];
  /** One of the reference's, with a file that it may keep its weights in. */
  readonly teacher?: string;
  readonly plugins?: InstalledPlugins;
}

const train = { format: 'npy', inputs: 'x.npy', labels: 'x-labels.npy' };

interface Prepared {
  readonly folder: string;
  readonly run: PreparedRun;
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
}

/** Four samples to train on and four to evaluate on, in a folder of their own. */
async function prepare(
  {
    student,
    trainShape = reference.shape,
    trainLabels = [0, 1, 4, 0],
    evalShape = reference.shape,
    teacher = 'tiny.onnx',
    plugins = new Map(),
  }: Files = {},
  overrides: Record<string, unknown> = {},
): Promise<Prepared> {
  const folder = temporaryFolder();
  const { npy } = arrayFiles(folder);
  const values = (shape: readonly number[], add: number): number[] =>
    Array.from({ length: 4 * sizeOf(shape) }, (_, i) => (i + add) % 7);
  npy('x.npy', [4, ...trainShape], values(trainShape, 0));
  npy('y.npy', [4, ...evalShape], values(evalShape, 1));
  if (trainLabels !== null) npy('x-labels.npy', [4], trainLabels);
  copyFileSync(join(referenceFolder, teacher), join(folder, 't.onnx'));
  copyFileSync(join(referenceFolder, 'external.bin'), join(folder, 'external.bin'));
  if (student !== undefined) await saveLayersModel(student(), join(folder, 'student'));
  const [warnings, notes]: [string[], string[]] = [[], []];
  const recipe = recipeSchema.parse({
    name: 'r',
    seed: 1,
    student: student === undefined ? { builtin: 'mlp', hidden: [3] } : { model: 'student/model.json' },
    teachers: [{ name: 't', model: 't.onnx' }],
    losses: { response: { weight: 1, temperature: 3 } },
    data: {
      train: trainLabels === null ? { format: 'npy', inputs: 'x.npy' } : train,
      eval: { format: 'npy', inputs: 'y.npy' },
    },
    optimizer: { name: 'adam', learningRate: 0.05 },
    batch: { size: 2 },
    epochs: 1,
    ...overrides,
  });
  const run = await prepareRun({
    recipe,
    recipeFolder: folder,
    name: 'r',
    shardFolder: join(folder, 'shards'),
    plugins,
    warn: (text) => warnings.push(text),
    note: (text) => notes.push(text),
  });
  return { folder, run, warnings, notes };
}

describe('prepareRun', () => {
  it('offers shards, models, manifest and topology by content hash', async () => {
    const teachers = [{ name: 't', model: 't.onnx', output: 'probabilities' }];
    const { folder, run, warnings } = await prepare({}, { teachers });
    const { manifest } = run;
    for (const set of [manifest.train, manifest.eval]) {
      const [sha256 = ''] = set?.shards.map((shard) => shard.sha256) ?? [];
      expect(run.artifacts.get(sha256)).toEqual({ path: join(folder, 'shards', sha256) });
    }
    const [model] = run.teachers[0]?.files ?? [];
    expect(run.artifacts.get(model?.sha256 ?? '')).toEqual({ path: join(folder, 't.onnx') });
    expect([run.artifacts.has(run.studentArtifact.sha256), run.artifacts.has(run.manifestArtifact.sha256)]).toEqual([
      true,
      true,
    ]);
    expect([manifest.classes, run.teachers[0]?.temperature, warnings]).toEqual([
      5,
      null,
      [
        'data.train: no sample of 2 of 5 classes: 2, 3; the student learns those from its teachers alone, if at all',
        expect.stringMatching(/^teacher t: .*rows do not sum to 1/),
      ],
    ]);
    const places = [
      [0, 0],
      [1, 0],
      [1, 3],
    ] as const;
    expect(places.map(([epoch, position]) => run.sampleAt(epoch, position))).toEqual(
      places.map(([epoch, position]) => epochOrder(manifest.train, epoch, { seed: 1, shuffle: true }).at(position)),
    );
  });

  it('tells a teacher the names of the classes and the preprocessing, and counts classes by their names', async () => {
    const [classNames, preprocess] = [['a', 'b', 'c', 'd'], { scale: 2, mean: [1], std: [3] }];
    const own = { scale: 1, mean: [0], std: [1] };
    const { run } = await prepare(
      { trainLabels: [0, 1, 2, 0] },
      {
        teachers: [{ name: 't', model: 't.onnx', classes: ['e', 'd', 'c', 'b', 'a'], preprocess: own }],
        data: { train, classNames, preprocess },
      },
    );
    expect(run.manifest).toMatchObject({ classes: 4, preprocess });
    expect(run.teachers).toMatchObject([
      // x = (raw * 2 - 1) / 3, so raw = x * 1.5 + 0.5.
      {
        classes: 4,
        classMap: { outputs: 5, order: [4, 3, 2, 1] },
        rescale: { factor: [1.5, 1.5], offset: [0.5, 0.5] },
      },
    ]);
  });

  it('gives another digest when recipe, model, weights or data change, and the same one otherwise', async () => {
    const digestOf = async (files?: Files, overrides?: Record<string, unknown>): Promise<string> =>
      (await prepare({ student: () => linear(1), ...files }, overrides)).run.recipeDigest;
    const first = await digestOf();
    expect(await digestOf()).toBe(first);
    const others = [
      await digestOf({ teacher: 'external.onnx' }),
      await digestOf({ student: () => linear(2) }),
      await digestOf({}, { seed: 2 }),
      await digestOf({ trainLabels: [0, 1, 4, 3] }),
    ];
    expect(new Set([first, ...others]).size).toBe(5);
  });

  it('gives another digest when a plug-in that is installed is another', async () => {
    const digestWith = async (sha256: string): Promise<string> => {
      const plugin = { name: 'a', path: 'a.js', sha256, source: 'export const loss = () => null;' };
      const losses = { plugins: { a: { weight: 1 } } };
      return (await prepare({ plugins: new Map([['a', plugin]]) }, { losses })).run.recipeDigest;
    };
    expect(await digestWith('e'.repeat(64))).not.toBe(await digestWith('f'.repeat(64)));
    expect(await digestWith('e'.repeat(64))).toBe(await digestWith('e'.repeat(64)));
  });

  it('warns of images that seem to have their channels first, and of no others', async () => {
    const warned = async (trainShape: readonly number[], layout: string): Promise<readonly string[]> =>
      (
        await prepare(
          { trainShape, trainLabels: [0, 1, 0, 1] },
          { teachers: [], losses: { crossEntropy: { weight: 1 } }, data: { train: { ...train, layout } } },
        )
      ).warnings;
    expect(await warned([3, 8, 8], 'nhwc')).toEqual([
      'data.train: samples of [3, 8, 8] look like images with their channels first; channels last wanted, or layout: nchw in data.train for images that are',
    ]);
    expect(await warned([3, 8, 8], 'nchw')).toEqual([]);
  });

  const refused: [string, Files, Record<string, unknown>, number, RegExp][] = [
    [
      'a label beyond the classes',
      { trainLabels: [0, 1, 7, 0] },
      { data: { train, classes: 3 } },
      65,
      /data.train: sample 2 has label 7; with 3 classes/,
    ],
    [
      'an evaluation set of other samples',
      { evalShape: [8, 8] },
      {},
      2,
      /data.eval: samples of shape \[8, 8\]; data.train has \[4, 3, 2\]/,
    ],
    [
      'to shift samples that are no images',
      { trainShape: [16] },
      { data: { train, augment: { shift: 1 } } },
      2,
      /data.augment.shift: samples are of \[16\]; images \[height, width, channels\] wanted/,
    ],
    [
      'three means for images with their channels first',
      { trainShape: [3, 2, 5], evalShape: [3, 2, 5] },
      { data: { train, preprocess: { mean: [1, 2, 3] } } },
      2,
      /data.preprocess.mean: 3 values given for samples of \[3, 2, 5\]; 1 or 5 .* layout: nchw in data.train/,
    ],
    [
      'noise on numbers of tokens',
      { student: reader, trainShape: [4] },
      { data: { train, augment: { noise: 1 } } },
      2,
      /data.augment.noise: the student's layer "words" reads numbers of tokens, which have no values between them; no noise wanted/,
    ],
    [
      'mixtures of tokens',
      { student: reader, trainShape: [4] },
      { data: { train, augment: { mixup: 1 } } },
      2,
      /data.augment.mixup: the student's layer "words"/,
    ],
    [
      'no labels and no number of classes',
      { trainLabels: null },
      { data: { train: { format: 'npy', inputs: 'x.npy' } } },
      2,
      /data.classes is needed/,
    ],
  ];
  it.each(refused)('refuses %s', async (_name, files, overrides, exitCode, message) => {
    await expect(prepare(files, overrides)).rejects.toMatchObject({
      name: 'UserError',
      exitCode,
      message: expect.stringMatching(message),
    });
  });
});

describe('digestOfValue', () => {
  it('does not depend on the order of keys', () => {
    expect(digestOfValue({ a: 1, b: [{ c: 2, d: 3 }] })).toBe(digestOfValue({ b: [{ d: 3, c: 2 }], a: 1 }));
    expect(digestOfValue({ a: [1, 2] })).not.toBe(digestOfValue({ a: [2, 1] }));
  });
});

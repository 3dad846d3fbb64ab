import { describe, expect, it } from 'vitest';
import { baselineRecipe, digestOf, prepareRun, type PrepareTools } from '../../../cli/prepare/prepare.js';
import type { PreparedRun } from '../../../coordinator/plan/prepared-run.js';
import { recipeSchema, type Recipe } from '../../../shared/recipe/schema.js';
import { tinyRun } from '../../coordinator/tiny-run.js';

const tiny = tinyRun();

const withEmbedding = {
  ...tiny.student,
  topology: { class_name: 'Sequential', config: { layers: [{ class_name: 'Embedding', config: { name: 'words' } }] } },
};

interface Fakes {
  readonly student?: PreparedRun['student'];
  readonly trainLabels?: number[];
  readonly evalShape?: number[];
  readonly teacherSha?: string;
  readonly kernel?: number;
}

function tools({
  student: spec = tiny.student,
  trainLabels = [0, 1, 2, 0],
  evalShape = [16],
  teacherSha = 'a'.repeat(64),
  kernel = 1,
}: Fakes = {}): PrepareTools {
  return {
    inspectStudent: async () => ({ spec, weights: new Map([['dense/kernel', Float32Array.of(kernel)]]) }),
    inspectTeacher: async (teacher, _folder, expected) => ({
      spec: {
        name: teacher.name,
        format: 'onnx',
        weight: teacher.weight,
        temperature: teacher.temperature ?? null,
        output: 'logits',
        layout: 'nhwc',
        classes: expected.classes,
        parameters: 9,
        files: [{ name: 'a.onnx', sha256: teacherSha, bytes: 5 }],
      },
      paths: new Map([[teacherSha, '/models/a.onnx']]),
      warnings: ['odd'],
      taps: [],
    }),
    planTaps: async (given, student) => ({ recipe: given, student }),
    writeShards: async (source) => {
      const isTrain = 'images' in source && source.images === 'x';
      const shards = [{ sha256: (isTrain ? 'b' : 'c').repeat(64), bytes: 10, samples: 4 }];
      return {
        dataSet: { samples: 4, shape: isTrain ? [16] : evalShape, dtype: 'float32', shards },
        labels: Int32Array.from(isTrain ? trainLabels : [2, 1, 0, 0]),
      };
    },
    epochOrder: (_dataSet, seed, epoch) => ({ at: (position) => (position + epoch + seed) % 4 }),
  };
}

function recipe(overrides: Record<string, unknown> = {}): Recipe {
  return recipeSchema.parse({
    ...tiny.recipe,
    teachers: [{ name: 't', model: 'a.onnx' }],
    losses: { response: { weight: 1, temperature: 3 } },
    data: { train: { format: 'idx', images: 'x' }, eval: { format: 'idx', images: 'y' } },
    ...overrides,
  });
}

function prepare(
  fakes: Fakes = {},
  overrides: Record<string, unknown> = {},
  warnings: string[] = [],
): Promise<PreparedRun> {
  return prepareRun({
    recipe: recipe(overrides),
    recipeFolder: '/recipes',
    name: 'r',
    shardFolder: '/shards',
    tools: tools(fakes),
    warn: (text) => warnings.push(text),
  });
}

describe('prepareRun', () => {
  it('offers shards, models, manifest and topology by content hash', async () => {
    const warnings: string[] = [];
    const run = await prepare({}, {}, warnings);
    expect(run.artifacts.get('b'.repeat(64))).toEqual({ path: `/shards/${'b'.repeat(64)}` });
    expect(run.artifacts.get('c'.repeat(64))).toEqual({ path: `/shards/${'c'.repeat(64)}` });
    expect(run.artifacts.get('a'.repeat(64))).toEqual({ path: '/models/a.onnx' });
    expect([run.artifacts.has(run.studentArtifact.sha256), run.artifacts.has(run.manifestArtifact.sha256)]).toEqual([
      true,
      true,
    ]);
    expect([run.manifest.classes, run.teachers[0]?.temperature, warnings]).toEqual([3, null, ['odd']]);
    expect([run.sampleAt(0, 0), run.sampleAt(1, 0), run.sampleAt(1, 3)]).toEqual([1, 2, 1]);
  });

  it('tells a teacher the names of the classes and the preprocessing, and counts classes by their names', async () => {
    const fakes = tools();
    const heard: unknown[] = [];
    const inspectTeacher: PrepareTools['inspectTeacher'] = async (teacher, folder, expected, whole) => {
      heard.push([expected.classNames, expected.classes, expected.preprocess]);
      return fakes.inspectTeacher(teacher, folder, expected, whole);
    };
    const [classNames, preprocess] = [['a', 'b', 'c', 'd'], { scale: 2, mean: [1], std: [3] }];
    const data = { train: { format: 'idx', images: 'x' }, classNames, preprocess };
    await prepareRun({
      recipe: recipe({ data }),
      recipeFolder: '/recipes',
      name: 'r',
      shardFolder: '/shards',
      tools: { ...fakes, inspectTeacher },
      warn: () => undefined,
    });
    expect(heard).toEqual([[classNames, 4, preprocess]]);
  });

  it('gives another digest when recipe, model, weights or data change, and the same one otherwise', async () => {
    const { recipeDigest } = await prepare();
    expect((await prepare()).recipeDigest).toBe(recipeDigest);
    const others = [
      prepare({ teacherSha: 'd'.repeat(64) }),
      prepare({ kernel: 2 }),
      prepare({}, { seed: 2 }),
      prepare({ trainLabels: [0, 1, 2, 3] }),
    ];
    for (const other of await Promise.all(others)) expect(other.recipeDigest).not.toBe(recipeDigest);
  });

  it('gives another digest when a plug-in that is installed is another', async () => {
    const digestWith = async (sha256: string): Promise<string> => {
      const plugin = { name: 'a', path: 'a.js', sha256, source: 'export const loss = () => null;' };
      return (
        await prepareRun({
          recipe: recipe({ losses: { plugins: { a: { weight: 1 } } } }),
          recipeFolder: '/recipes',
          name: 'r',
          shardFolder: '/shards',
          tools: tools(),
          plugins: new Map([['a', plugin]]),
          warn: () => undefined,
        })
      ).recipeDigest;
    };
    expect(await digestWith('e'.repeat(64))).not.toBe(await digestWith('f'.repeat(64)));
    expect(await digestWith('e'.repeat(64))).toBe(await digestWith('e'.repeat(64)));
  });

  const refused: [string, Fakes, Record<string, unknown>, number, RegExp][] = [
    [
      'a label beyond the classes',
      { trainLabels: [0, 1, 7, 0] },
      { data: { train: { format: 'idx', images: 'x' }, classes: 3 } },
      65,
      /data.train: sample 2 has label 7; with 3 classes/,
    ],
    [
      'an evaluation set of other samples',
      { evalShape: [8, 8] },
      {},
      2,
      /data.eval: samples of shape \[8, 8\]; data.train has \[16\]/,
    ],
    [
      'to shift samples that are no images',
      {},
      { data: { train: { format: 'idx', images: 'x' }, augment: { shift: 1 } } },
      2,
      /data.augment.shift: samples are of \[16\]; images \[height, width, channels\] wanted/,
    ],
    [
      'noise on numbers of tokens',
      { student: withEmbedding },
      { data: { train: { format: 'idx', images: 'x' }, augment: { noise: 1 } } },
      2,
      /data.augment.noise: the student's layer "words" reads numbers of tokens, which have no values between them; no noise wanted/,
    ],
    [
      'mixtures of tokens',
      { student: withEmbedding },
      { data: { train: { format: 'idx', images: 'x' }, augment: { mixup: 1 } } },
      2,
      /data.augment.mixup: the student's layer "words"/,
    ],
    [
      'no labels and no number of classes',
      { trainLabels: [-1, -1, -1, -1] },
      { data: { train: { format: 'idx', images: 'x' } } },
      2,
      /data.classes is needed/,
    ],
  ];
  it.each(refused)('refuses %s', async (_name, fakes, overrides, exitCode, message) => {
    await expect(prepare(fakes, overrides)).rejects.toMatchObject({
      name: 'UserError',
      exitCode,
      message: expect.stringMatching(message),
    });
  });
});

describe('digestOf', () => {
  it('does not depend on the order of keys', () => {
    expect(digestOf({ a: 1, b: [{ c: 2, d: 3 }] })).toBe(digestOf({ b: [{ d: 3, c: 2 }], a: 1 }));
    expect(digestOf({ a: [1, 2] })).not.toBe(digestOf({ a: [2, 1] }));
  });
});

describe('baselineRecipe', () => {
  const base = tinyRun({ samples: 40, epochs: 4 });

  it('trains for as many steps on the labelled samples alone, without teachers', () => {
    const labels = new Int32Array(40).fill(-1).fill(1, 0, 10);
    const baseline = baselineRecipe({ ...base, trainLabels: labels });
    expect(baseline).toMatchObject({
      teachers: [],
      steps: 20,
      baseline: false,
      losses: { crossEntropy: { weight: 1 } },
      data: { train: { onlyLabelled: true } },
    });
    expect('epochs' in baseline).toBe(false);
    expect(baseline.losses.response).toBeUndefined();
    // 5 steps an epoch against 2: evaluated as often as the run is.
    expect(baseline.evaluate).toEqual({ everyEpochs: 3 });
    expect(recipeSchema.parse(JSON.parse(JSON.stringify(baseline)))).toEqual(baseline);
  });

  it('counts scattered labels as it counts those that come first', () => {
    const labels = new Int32Array(40).map((_, i) => (i % 4 === 0 ? 1 : -1));
    expect(baselineRecipe({ ...base, trainLabels: labels })).toMatchObject({ steps: 20, evaluate: { everyEpochs: 3 } });
  });

  it('refuses data without labels', () => {
    expect(() => baselineRecipe({ ...base, trainLabels: new Int32Array(40).fill(-1) })).toThrow(
      /no labels to train on alone/,
    );
  });
});

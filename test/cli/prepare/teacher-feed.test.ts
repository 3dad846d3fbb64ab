/** Teachers of images at another resolution, or with other channels, than the samples have. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Expected } from '../../../cli/prepare/expected.js';
import { inspectTeacher, type InspectedTeacher } from '../../../cli/prepare/teacher.js';
import { ensembleDigest } from '../../../shared/labels/ensemble-digest.js';
import type { Preprocess, TeacherRecipe } from '../../../shared/recipe/schema.js';
import type { ElementType } from '../../../worker/compute/onnx/graph.js';
import { ownOperatorSets, writeOnnx } from '../../../worker/compute/onnx/write.js';
import { changeChannels } from '../../../worker/compute/teachers/channels.js';
import { TeacherFeed } from '../../../worker/compute/teachers/feed.js';
import { forwardInFixedRows } from '../../../worker/compute/teachers/fixed-rows.js';
import { Ensemble } from '../../../worker/compute/teachers/ensemble.js';
import { resizeImages, type Resize } from '../../../worker/compute/teachers/resize.js';
import { noTensorFlow } from '../../worker/compute/teachers/fixtures.js';
import { temporaryFolder } from '../../worker/fakes.js';

const folder = temporaryFolder();

/** Gives all numbers of the image that it is given, in their order, behind a pooling by `pool`. */
function write(name: string, shape: readonly (number | string)[], { type = 'float32', pool = 1 } = {}): void {
  const element = type as ElementType;
  writeFileSync(
    join(folder, name),
    writeOnnx({
      operatorSets: ownOperatorSets,
      graph: {
        inputs: [{ name: 'x', type: element, shape: ['n', ...shape] }],
        outputs: [{ name: 'y', type: 'float32', shape: ['n', 'classes'] }],
        constants: [],
        nodes: [
          { op: 'Cast', inputs: ['x'], outputs: ['floats'], attributes: { to: 1 } },
          {
            op: 'AveragePool',
            inputs: ['floats'],
            outputs: ['pooled'],
            attributes: { kernel_shape: [pool, pool], strides: [pool, pool] },
          },
          { op: 'Flatten', inputs: ['pooled'], outputs: ['y'], attributes: { axis: 1 } },
        ],
      },
    }),
  );
}
write('large.onnx', [3, 224, 224], { pool: 224 });
write('any-size.onnx', [3, 'h', 'w'], { pool: 7 });
write('four.onnx', [1, 4, 4], { pool: 4 });
write('bytes.onnx', [1, 4, 4], { type: 'uint8' });
write('colours.onnx', [3, 2, 2]);

const grey: Expected = { inputShape: [28, 28, 1], task: 'classes', classes: 3, preprocess: null };
const tiny: Expected = { ...grey, inputShape: [2, 2, 1], classes: 12 };

const inspect = (model: string, expected: Expected, fields: Partial<TeacherRecipe> = {}): Promise<InspectedTeacher> =>
  inspectTeacher({ name: 'one', model, weight: 1, output: 'logits', ...fields }, expected, {
    folder,
    openTensorFlow: noTensorFlow,
  });

async function outputsOf(found: InspectedTeacher, samples: Float32Array, expected: Expected): Promise<number[]> {
  const { inputShape } = expected;
  const ensemble = await Ensemble.open([found.spec], found.paths, {
    combine: 'logits',
    rows: 2,
    inputShape,
    openTensorFlow: noTensorFlow,
  });
  const rows = samples.length / inputShape.reduce((a, b) => a * b, 1);
  const logits = (await ensemble.logits(samples, rows)).get('one') ?? [];
  await ensemble.dispose();
  return [...logits];
}

const digits = Float32Array.from({ length: 3 * 28 * 28 }, (_, i) => Math.sin(i / 7));

describe('a teacher at 224 by 224 of colours', () => {
  it('takes grey samples of 28 by 28 that are brought there, and says what the recipe does not', async () => {
    const found = await inspect('large.onnx', grey, { resize: [224, 224] });
    expect(found.warnings).toEqual([
      'teacher one: its images have 3 channels and the samples 1: it is given grey as three equal channels (channels: 3 says so)',
    ]);
    expect(found.spec).toMatchObject({ channels: 3, resize: { to: [224, 224], method: 'bilinear' }, layout: 'nchw' });
    const resized = resizeImages(digits, [28, 28, 1], { to: [224, 224], method: 'bilinear' });
    const means = [0, 1, 2].map(
      (row) => resized.subarray(row * 224 * 224, (row + 1) * 224 * 224).reduce((a, b) => a + b, 0) / (224 * 224),
    );
    const wanted = means.flatMap((mean) => [mean, mean, mean]);
    const outputs = await outputsOf(found, digits, grey);
    expect(outputs).toHaveLength(9);
    outputs.forEach((value, i) => expect(value).toBeCloseTo(wanted[i] ?? NaN, 5));
  });

  it('says nothing where the recipe says it all', async () => {
    const found = await inspect('large.onnx', grey, { resize: { to: [224, 224], method: 'area' }, channels: 3 });
    expect(found.warnings).toEqual([]);
    expect(found.spec.resize).toEqual({ to: [224, 224], method: 'area' });
  });

  it.each<[Partial<TeacherRecipe>, Expected, string]>([
    [{}, grey, "[3, 224, 224]; the data's samples are [28, 28, 1]; resize: [224, 224] and channels: 3 wanted"],
    [
      {},
      { ...grey, inputShape: [28, 28, 3] },
      "[3, 224, 224]; the data's samples are [28, 28, 3]; resize: [224, 224] wanted",
    ],
    [
      { resize: [32, 32] },
      { ...grey, inputShape: [28, 28, 3] },
      '[3, 224, 224]; its images would be [32, 32, 3]; resize: [224, 224] wanted',
    ],
    [{ resize: [224, 224], channels: 3 }, { ...grey, inputShape: [28, 28, 4] }, 'channels: 3 given for samples of 4'],
    [{ resize: [224, 224] }, { ...grey, inputShape: [784] }, 'resize: given for samples of [784]; images'],
    [
      { resize: [224, 224], layout: 'nhwc' },
      { ...grey, inputShape: [28, 28, 3] },
      'would be [224, 224, 3] with layout nhwc; layout: nchw wanted, which fits',
    ],
  ])('is refused with the wish: %j', async (fields, expected, message) => {
    await expect(inspect('large.onnx', expected, fields)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining(message),
    });
  });
});

describe('a teacher of another number of channels', () => {
  it('that takes any size is given grey as colours, and what its own preprocessing makes of each', async () => {
    const own: Preprocess = { scale: 1, mean: [1, 2, 3], std: [1, 2, 4] };
    const expected: Expected = { ...tiny, preprocess: { scale: 0.5, mean: [1], std: [2] } };
    const raw = [4, 8, 12, 16];
    const samples = Float32Array.from(raw, (value) => (value * 0.5 - 1) / 2);
    const found = await inspect('colours.onnx', expected, { preprocess: own, channels: 3 });
    const wanted = [0, 1, 2].flatMap((c) => raw.map((value) => (value - (own.mean[c] ?? 0)) / (own.std[c] ?? 1)));
    expect(await outputsOf(found, samples, expected)).toEqual(wanted);
  });

  it('takes grey made of colours, before its own preprocessing', async () => {
    const student: Preprocess = { scale: 1, mean: [1, 2, 3], std: [1, 2, 4] };
    const expected: Expected = {
      ...grey,
      inputShape: [8, 8, 3],
      classes: 1,
      preprocess: student,
    };
    const raw = Float32Array.from({ length: 8 * 8 * 3 }, (_, i) => i % 50);
    const samples = raw.map((value, i) => (value - (student.mean[i % 3] ?? 0)) / (student.std[i % 3] ?? 1));
    const fields: Partial<TeacherRecipe> = {
      resize: { to: [4, 4], method: 'area' },
      channels: 1,
      preprocess: { scale: 0.1, mean: [2], std: [1] },
    };
    const found = await inspect('four.onnx', expected, fields);
    const mean = changeChannels(raw, 3, 1).reduce((a, b) => a + b, 0) / 64;
    expect((await outputsOf(found, samples, expected))[0]).toBeCloseTo(0.1 * mean - 2, 4);
  });

  it.each<[string, Expected, Partial<TeacherRecipe>, string]>([
    [
      'colours that nobody says to make grey',
      { ...grey, inputShape: [4, 4, 3], classes: 1 },
      {},
      "its input shape is [1, 4, 4]; the data's samples are [4, 4, 3]; channels: 1 wanted",
    ],
    [
      'colours that were preprocessed apart',
      { ...grey, inputShape: [4, 4, 3], classes: 1, preprocess: { scale: 1, mean: [1, 2, 3], std: [1] } },
      { channels: 1 },
      'channels: 1 given for samples whose channels data.preprocess treats differently; a preprocess of its own wanted',
    ],
    [
      'means of colours for grey',
      { ...grey, inputShape: [4, 4, 3], classes: 1 },
      { channels: 1, preprocess: { scale: 1, mean: [1, 2, 3], std: [1] } },
      'preprocess.mean: 3 values given; 1 (the channels) wanted',
    ],
  ])('is refused with %s', async (_case, expected, fields, message) => {
    await expect(inspect('four.onnx', expected, fields)).rejects.toMatchObject({
      exitCode: 2,
      message: `teacher one: ${message}`,
    });
  });
});

describe('what a teacher is given', () => {
  it('is rounded where it takes bytes', async () => {
    const expected: Expected = { ...tiny, classes: 16 };
    const samples = Float32Array.of(0, 100, 200, 255);
    const resize: Resize = { to: [4, 4], method: 'bicubic' };
    const found = await inspect('bytes.onnx', expected, { resize });
    const wanted = resizeImages(samples, [2, 2, 1], resize);
    expect(await outputsOf(found, samples, expected)).toEqual(
      [...wanted].map((value) => Math.min(255, Math.max(0, Math.round(value)))),
    );
  });

  it('is part of the key of its labels: size, method and channels', async () => {
    const form = { combine: 'logits', rows: 4, inputShape: [28, 28, 1] } as const;
    const digestOf = async (fields: Partial<TeacherRecipe>, expected = grey): Promise<string> =>
      ensembleDigest([(await inspect('any-size.onnx', expected, fields)).spec], form);
    const digests = [
      await digestOf({ resize: [7, 7] }),
      await digestOf({ resize: { to: [7, 7], method: 'nearest' } }),
      await digestOf({ resize: [7, 8] }),
      await digestOf({}, { ...grey, inputShape: [7, 7, 3] }),
    ];
    expect(new Set(digests).size).toBe(digests.length);
    expect(await digestOf({ resize: { to: [7, 7], method: 'bilinear' }, channels: 3 })).toBe(digests[0]);
  });

  it('is as large as one forward takes, whatever the number of samples', async () => {
    const inputs = [{ name: 'x', shape: [3, 56, 56], integerType: null }];
    const feed = TeacherFeed.of(
      { layout: 'nchw', channels: 3, resize: { to: [56, 56], method: 'bilinear' } },
      [28, 28, 1],
      inputs,
    );
    if (feed === null) throw new Error('other samples');
    const asked: number[] = [];
    const teacher = {
      fixedRows: null,
      forward: async ([given]: readonly { readonly values: Float32Array }[]) => {
        asked.push(given?.values.length ?? 0);
        return { output: new Float32Array(2), taps: new Map() };
      },
    };
    await forwardInFixedRows(teacher, digits, { rows: 3, feed, fixedRows: 2 });
    expect(asked).toEqual([2 * 3 * 56 * 56, 2 * 3 * 56 * 56]);
  });
});

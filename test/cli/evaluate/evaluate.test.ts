/** Models that are evaluated, and what of recipe, run and flags they are taken with. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { AskedModel } from '../../../cli/evaluate/asked-model.js';
import type { ClassReport } from '../../../cli/evaluate/class-report.js';
import { evaluateModel, evaluationText } from '../../../cli/evaluate/evaluate.js';
import { exportStudent } from '../../../worker/tools/export/export-student.js';
import { readRecipe } from '../../../shared/recipe/read.js';
import {
  brightSample,
  pixels,
  writeBrightSamples,
  writeBrightTeacher,
} from '../../worker/compute/teachers/bright-pixel.js';
import { openTensorFlow, saveLayersModel, temporaryFolder } from '../../worker/compute/teachers/fixtures.js';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
const samples = 40;
const source = '{ format: csv, inputs: samples.csv, labels: 4, header: false }';

function recipeOf(
  teachers: string,
  { data = '', preprocess = '{ scale: 0.00392156862745098 }' }: Pick<Asked, 'data' | 'preprocess'>,
): ReturnType<typeof readRecipe>['recipe'] {
  const text = `student: { builtin: mlp }\nteachers: [${teachers}]\nlosses: { crossEntropy: { weight: 1 } }
data:
  train: ${source}
  eval: ${source}
  preprocess: ${preprocess}
${data}optimizer: { name: adam, learningRate: 0.01 }\nbatch: { size: 8 }\nepochs: 1\n`;
  return readRecipe(text, { file: 'r.yaml' }).recipe;
}

interface Asked {
  readonly teachers?: string;
  readonly data?: string;
  readonly preprocess?: string;
  readonly against?: AskedModel;
  readonly teacher?: AskedModel;
}

async function evaluate(
  model: AskedModel,
  { teachers = '', against, teacher, ...data }: Asked = {},
): Promise<{ report: ClassReport & { specialist?: readonly number[] }; warnings: string[] }> {
  const warnings: string[] = [];
  const report = await evaluateModel({
    model,
    teacher,
    against,
    recipe: recipeOf(teachers, data),
    recipeFolder: folder,
    warn: (line) => void warnings.push(line),
  });
  return { report: report as ClassReport, warnings };
}

/** The cross entropy of the job's right answers, each logit a tenth of a level. */
const crossEntropy = Math.log(1 + (pixels - 1) * Math.exp(-0.1));

beforeAll(async () => {
  await openTensorFlow();
  writeBrightSamples(folder, 'samples.csv', samples);
  writeBrightTeacher(folder, 'uint8.onnx', { isInteger: true });
  writeBrightTeacher(folder, 'float.onnx', { factor: 25.5 });
  writeBrightTeacher(folder, 'turned.onnx', { factor: 25.5, order: [1, 2, 3, 0] });
  copyFileSync(at('uint8.onnx'), at('copy.onnx'));
  writeFileSync(at('names.txt'), 'b\nc\nd\na\n');
  const model = tf.sequential({ layers: [tf.layers.dense({ units: pixels, inputShape: [pixels], useBias: false })] });
  model.setWeights([tf.eye(pixels)]);
  await saveLayersModel(model, at('run/student'));
  writeFileSync(
    at('run/recipe.yaml'),
    stringify({ data: { preprocess: { scale: 0.1, mean: [0], std: [1] } }, digests: { recipe: '' } }),
  );
  mkdirSync(at('unfinished/generations'), { recursive: true });
});

describe('a model that the recipe names', () => {
  it('is taken with the preprocessing that the recipe gives it, to the level', async () => {
    const { report, warnings } = await evaluate(
      { given: at('uint8.onnx') },
      { teachers: '{ name: t, model: uint8.onnx, outputName: logits, preprocess: { scale: 1 } }' },
    );
    expect(report).toMatchObject({ samples, accuracy: 1 });
    expect(report.loss).toBeCloseTo(crossEntropy, 6);
    expect(warnings).toEqual([]);
  });

  it('gets whole levels back from samples that are normalised, and none below', async () => {
    const { report } = await evaluate(
      { given: at('uint8.onnx') },
      {
        teachers: '{ name: t, model: uint8.onnx, outputName: logits, preprocess: { scale: 1 } }',
        data: '  classes: 4\n',
        preprocess: '{ scale: 0.00392156862745098, mean: [0.485], std: [0.229] }',
      },
    );
    expect(report.loss).toBeCloseTo(crossEntropy, 6);
  });

  it('is taken with its output, and what that output holds', async () => {
    const teachers = '{ name: t, model: ./float.onnx, outputName: p, output: probabilities }';
    const { report, warnings } = await evaluate({ given: at('float.onnx') }, { teachers });
    expect(report.accuracy).toBe(1);
    expect(report.loss).toBeCloseTo(crossEntropy, 4);
    expect(warnings).toEqual([]);
  });

  it('is taken with the names of its classes', async () => {
    const { report } = await evaluate(
      { given: at('turned.onnx') },
      {
        teachers: '{ name: t, model: turned.onnx, outputName: logits, classes: names.txt }',
        data: '  classNames: [a, b, c, d]\n',
      },
    );
    expect(report.accuracy).toBe(1);
  });

  it('is judged on the classes of its specialty alone', async () => {
    const teachers =
      '{ name: t, model: turned.onnx, outputName: logits }, { name: s, model: float.onnx, outputName: logits, specialist: [1, 3] }';
    const { report, warnings } = await evaluate({ given: 's' }, { teachers });
    expect(report).toMatchObject({ samples: samples / 2, accuracy: 1, specialist: [1, 3] });
    expect(evaluationText('s', report)).toMatch(/^s, on the classes 1, 3 alone: 20 samples\n/);
    expect(warnings).toEqual([]);
  });

  it('is so beside another one, too, by its path or its name', async () => {
    const teachers = '{ name: t, model: uint8.onnx, outputName: logits, preprocess: { scale: 1 } }';
    for (const given of [at('uint8.onnx'), 't']) {
      const { report, warnings } = await evaluate(
        { given: at('float.onnx'), fields: { outputName: 'logits' } },
        { teachers, against: { given }, teacher: { given } },
      );
      expect(report).toMatchObject({ agreement: 1, against: { onlyFirst: 0, onlySecond: 0 } });
      expect(warnings).toEqual([]);
    }
  });

  it('in two ways is asked for by the name of one', async () => {
    const teachers =
      '{ name: t, model: float.onnx, outputName: logits }, { name: u, model: float.onnx, outputName: p, output: probabilities }';
    await expect(evaluate({ given: at('float.onnx') }, { teachers })).rejects.toMatchObject({
      exitCode: 2,
      message: `${at('float.onnx')}: the recipe names it as t and u; one of them was wanted (--as t)`,
    });
    const { report } = await evaluate({ given: at('float.onnx'), as: 'u' }, { teachers });
    expect(report.loss).toBeCloseTo(crossEntropy, 4);
  });
});

describe('a model that the recipe does not name', () => {
  it('is said to be odd where it is taken otherwise than it was trained', async () => {
    const { report, warnings } = await evaluate({ given: at('uint8.onnx'), fields: { outputName: 'logits' } });
    expect(report.accuracy).toBe(0.25);
    expect(warnings).toEqual([
      'teacher uint8.onnx: its input takes whole numbers (uint8), and the samples that it is fed go from 0.03529 to 0.9176 with fractions; what it was trained on wanted, such as the raw samples by preprocess: { scale: 1 } of its own',
      expect.stringMatching(
        /^uint8.onnx: the recipe does not name this model: how it is to be taken is said by --output,/,
      ),
      'uint8.onnx (25.00 %): no better than chance on 40 samples of 4 classes; other classes (--classes, or teachers[].classes), preprocessing or output wanted',
      'uint8.onnx: it gives class 0 for all 40 samples; other preprocessing, layout or output wanted',
    ]);
  });

  it('is taken as flags say, or as a teacher of the recipe', async () => {
    const preprocess = { scale: 1, mean: [0], std: [1] };
    const flags = await evaluate({ given: at('copy.onnx'), fields: { outputName: 'logits', preprocess } });
    expect([flags.report.accuracy, flags.warnings]).toEqual([1, []]);
    const teachers = '{ name: t, model: uint8.onnx, outputName: logits, preprocess: { scale: 1 } }';
    const as = await evaluate({ given: at('copy.onnx'), as: 't' }, { teachers });
    expect([as.report.accuracy, as.warnings]).toEqual([1, []]);
  });

  it('that gives probabilities is said to, as in a run', async () => {
    const { report, warnings } = await evaluate({ given: at('float.onnx'), fields: { outputName: 'p' } });
    expect(report.loss).not.toBeCloseTo(crossEntropy, 2);
    expect(warnings[0]).toContain('its rows sum to 1, so it gives probabilities');
  });

  it.each([
    [
      { given: 'float.onnx' },
      2,
      /output: the model has 2 of them .*\(the recipe does not name this model: .* --output-name,/,
    ],
    [{ given: 'no.onnx' }, 2, /no such file; a run folder or a model was wanted, or a teacher of the recipe \(t\)$/],
    [{ given: 'float.onnx', as: 'u' }, 2, /^--as u: the recipe has no such teacher; one of t was wanted$/],
    [{ given: 'unfinished' }, 65, /holds an unfinished run, which has no student yet; a finished run was wanted/],
  ])('is refused: %j', async (asked, exitCode, message) => {
    await expect(
      evaluate({ ...asked, given: at(asked.given) }, { teachers: '{ name: t, model: uint8.onnx }' }),
    ).rejects.toMatchObject({
      exitCode,
      message: expect.stringMatching(message),
    });
  });
});

describe('the student of a run', () => {
  it.each(['run', 'run/student', 'run/student/model.json'])('is fed as its run fed it: %s', async (given) => {
    const { report, warnings } = await evaluate({ given: at(given) });
    expect(report.accuracy).toBe(1);
    // Its logits are a tenth of the raw levels.
    expect(report.loss).toBeCloseTo(crossEntropy, 5);
    expect(warnings).toEqual([
      expect.stringContaining('taken as its own run has it: preprocess {"scale":0.1,"mean":[0],"std":[1]}'),
    ]);
  });
});

describe('a student that says itself what it is fed', () => {
  it.each(['scaled', 'raw'])('is fed so, wherever it lies: %s', async (name) => {
    const model = tf.sequential({
      layers: [tf.layers.dense({ units: pixels, inputShape: [pixels], useBias: false, name: 'd' })],
    });
    const factor = name === 'scaled' ? 1 : 0.1;
    const facts = {
      input: { shape: [pixels], preprocess: name === 'scaled' ? { scale: 0.1, mean: [0], std: [1] } : null },
      output: { task: 'classes' as const, classes: pixels },
    };
    const topology = model.toJSON(undefined, false) as unknown as Record<string, unknown>;
    const weights = [{ name: 'd/kernel', layer: 'd', shape: [pixels, pixels], kind: 'trained' as const }];
    const kernel = Float32Array.from({ length: pixels * pixels }, (_, i) => (i % (pixels + 1) === 0 ? factor : 0));
    // In a folder of the run with another recipe, which no longer says how it is to be taken.
    const folder = at(`run/${name}`);
    await exportStudent(
      { topology, weights, inputShape: [pixels], classes: pixels },
      new Map([['d/kernel', kernel]]),
      folder,
      facts,
    );
    const { report, warnings } = await evaluate({ given: folder });
    expect(report.loss).toBeCloseTo(crossEntropy, 5);
    expect(warnings).toEqual([
      expect.stringContaining(`taken as its own run has it: preprocess {"scale":${name === 'scaled' ? 0.1 : 1},`),
    ]);
  });
});

it('makes samples whose class an error of one level hides', () => {
  expect(brightSample(5)).toEqual({ values: [194, 195, 194, 194], label: 1 });
});

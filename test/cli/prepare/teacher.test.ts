import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { TeacherRecipe } from '../../../shared/recipe/schema.js';
import type { Expected } from '../../../cli/prepare/expected.js';
import { inspectTeacher, type InspectedTeacher, type TeacherOptions } from '../../../cli/prepare/teacher.js';
import {
  makeLayersModel,
  noTensorFlow,
  openTensorFlow,
  reference,
  referenceFolder,
  saveGraphModel,
  saveLayersModel,
  temporaryFolder,
} from '../../worker/compute/teachers/fixtures.js';

const expected = {
  inputShape: reference.shape,
  task: 'classes' as const,
  classes: reference.classes,
  preprocess: null,
};
const folder = temporaryFolder();
const inspect = (
  teacher: TeacherRecipe,
  wanted: Expected = expected,
  options: Partial<TeacherOptions> = {},
): Promise<InspectedTeacher> =>
  inspectTeacher(teacher, wanted, { folder, openTensorFlow, openNative: openTensorFlow, ...options });
const digest = (...names: string[]): string[] =>
  names.map((name) =>
    createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex'),
  );

function recipe(model: string, fields: Partial<TeacherRecipe> = {}): TeacherRecipe {
  return { name: 'one', model, weight: 2, output: 'logits', ...fields };
}

beforeAll(async () => {
  for (const name of ['tiny.onnx', 'three-rows.onnx', 'two-outputs.onnx', 'external.onnx', 'external.bin'])
    copyFileSync(join(referenceFolder, name), join(folder, name));
  await openTensorFlow();
  await saveLayersModel(makeLayersModel(), join(folder, 'layers'));
  await saveLayersModel(makeLayersModel(3), join(folder, 'three-classes'));
  await saveLayersModel(makeLayersModel(reference.classes, [8, 8, 1]), join(folder, 'other-shape'));
  await saveLayersModel(makeLayersModel(), join(folder, 'torn'));
  rmSync(join(folder, 'torn/b.bin'));
  await saveLayersModel(makeLayersModel(), join(folder, 'short'));
  writeFileSync(join(folder, 'short/b.bin'), 'x');
  saveGraphModel(join(folder, 'graph'));
  mkdirSync(join(folder, 'saved'));
  writeFileSync(join(folder, 'saved/saved_model.pb'), '');
  mkdirSync(join(folder, 'empty'));
  writeFileSync(join(folder, 'model.h5'), '');
  writeFileSync(join(folder, 'bad.onnx'), 'this is no model');
  writeFileSync(join(folder, 'bad.json'), '{"a": 1}');
  mkdirSync(join(folder, 'no-weights'));
  writeFileSync(
    join(folder, 'no-weights/model.json'),
    JSON.stringify({ ...JSON.parse(readFileSync(join(folder, 'layers/model.json'), 'utf8')), weightsManifest: [] }),
  );
});

describe('inspectTeacher', () => {
  it('describes an ONNX file without tfjs', async () => {
    const { spec, paths, warnings } = await inspect(recipe('tiny.onnx'), expected, { openTensorFlow: noTensorFlow });
    const [sha256 = ''] = digest('tiny.onnx');
    expect(spec).toEqual({
      name: 'one',
      format: 'onnx',
      weight: 2,
      temperature: null,
      output: 'logits',
      layout: 'nchw',
      classes: 5,
      parameters: reference.parameters,
      canary: expect.any(Array),
      files: [{ name: 'tiny.onnx', sha256, bytes: readFileSync(join(folder, 'tiny.onnx')).length }],
    });
    expect([...paths]).toEqual([[sha256, join(folder, 'tiny.onnx')]]);
    expect(warnings).toEqual([]);
  });

  it("maps its classes to the data's by name, from the recipe or from a file", async () => {
    const classNames = ['b', 'e', 'a'];
    const wanted = { outputs: 5, order: [1, 4, 0] };
    writeFileSync(join(folder, 'names.txt'), 'a\r\nb\nc\nd\ne\n');
    for (const classes of [['a', 'b', 'c', 'd', 'e'], 'names.txt']) {
      const { spec } = await inspect(recipe('tiny.onnx', { classes }), {
        ...expected,
        classes: 3,
        classNames,
      });
      expect(spec).toMatchObject({ classes: 3, classMap: wanted });
    }
  });

  it.each([
    [['a', 'b', 'c', 'd', 'e'], ['a', 'zebra'], 2, 'teacher one: classes: no "zebra", which data.classNames has'],
    [
      ['cats', 'b', 'c', 'd', 'e'],
      ['b', 'cat'],
      2,
      'teacher one: classes: no "cat", which data.classNames has; did you mean "cats"?',
    ],
    [
      ['a', 'b', 'c', 'd', 'a'],
      ['a', 'b'],
      2,
      'teacher one: classes: "a" given twice; a name of its own for each output wanted',
    ],
    [['a', 'b', 'c', 'd'], ['a', 'b'], 2, 'teacher one: classes: 4 names given; it gives 5 classes'],
    [['a', 'b', 'c', 'd', 'e'], ['a', 'b'], 3, 'data.classNames: 2 names given; the data has 3 classes'],
  ])('refuses the class names %j for %j', async (classes, classNames, count, message) => {
    const refused = inspect(recipe('tiny.onnx', { classes }), {
      ...expected,
      classes: count,
      classNames,
    });
    await expect(refused).rejects.toMatchObject({ exitCode: 2, message });
  });

  it('refuses preprocessing for another number of channels', async () => {
    const refused = inspect(recipe('tiny.onnx', { preprocess: { scale: 1, mean: [1, 2, 3], std: [1] } }), expected);
    await expect(refused).rejects.toMatchObject({
      exitCode: 2,
      message: 'teacher one: preprocess.mean: 3 values given; 1 or 2 (the channels) wanted',
    });
  });

  it('names the file that an ONNX model keeps its weights in', async () => {
    const { spec } = await inspect(recipe('external.onnx'), expected);
    expect(spec.files.map((file) => file.name)).toEqual(['external.onnx', 'external.bin']);
  });

  it("describes a LayersModel by its folder, weights in the manifest's order", async () => {
    const { spec } = await inspect(recipe('layers', { temperature: 9 }), expected);
    expect(spec).toMatchObject({
      format: 'layers-model',
      layout: 'nhwc',
      temperature: 9,
      parameters: 4 * 2 * 9 + 4 + 16 + 48 * 5 + 5,
    });
    expect(spec.files.map((file) => file.name)).toEqual(['model.json', 'a.bin', 'b.bin']);
  });

  it('describes a GraphModel by its model.json', async () => {
    const { spec, warnings } = await inspect(recipe('graph/model.json', { output: 'probabilities' }), expected);
    expect(spec).toMatchObject({ format: 'graph-model', output: 'probabilities', parameters: 24 * 5 });
    expect(warnings).toEqual([]);
  });

  it.each([
    ['logits', 'graph', /rows sum to 1, so it gives probabilities/],
    ['probabilities', 'layers', /rows do not sum to 1/],
  ] as const)('warns when a teacher that is declared to give %s does not', async (output, model, text) => {
    const { warnings } = await inspect(recipe(model, { output }), expected);
    expect(warnings).toEqual([expect.stringMatching(text)]);
  });

  it('takes the digest of several files from their lines as sha256sum prints them', async () => {
    const [model, a, b] = digest('layers/model.json', 'layers/a.bin', 'layers/b.bin');
    const sha256 = createHash('sha256').update(`${model}  model.json\n${a}  a.bin\n${b}  b.bin\n`).digest('hex');
    await expect(inspect(recipe('layers', { sha256 }), expected)).resolves.toMatchObject({
      spec: { format: 'layers-model' },
    });
  });

  const wrong = '0'.repeat(64);
  const cases: [string, Partial<TeacherRecipe> & { model: string }, Partial<typeof expected>, number, RegExp][] = [
    ['a missing file', { model: 'gone.onnx' }, {}, 2, /^teacher one: model .*gone\.onnx does not exist$/],
    ['a missing weight file', { model: 'torn' }, {}, 2, /file .*b\.bin is missing; model\.json keeps weights in it/],
    [
      'weights that are too short',
      { model: 'short' },
      {},
      65,
      /the \d+ bytes of its weight files are not the weights that its model.json lists/,
    ],
    [
      'a model.json without weights',
      { model: 'no-weights' },
      {},
      65,
      /model\.json is not one of a tfjs model with weights/,
    ],
    ['an unknown format', { model: 'model.h5' }, {}, 2, /model "model\.h5" is of an unknown format/],
    [
      'a SavedModel on another backend',
      { model: 'saved' },
      {},
      69,
      /^teacher one: a SavedModel needs the native backend; stillhouse backend install cpu/,
    ],
    [
      'a signature of what has none',
      { model: 'tiny.onnx', signature: 'serve' },
      {},
      2,
      /signature "serve" given for tiny\.onnx, which is no SavedModel/,
    ],
    ['a folder without a model', { model: 'empty' }, {}, 2, /has no model\.json/],
    ['a damaged ONNX file', { model: 'bad.onnx' }, {}, 65, /bad\.onnx is damaged or no ONNX model/],
    ['a JSON file that is no model', { model: 'bad.json' }, {}, 65, /not one of a tfjs model/],
    [
      'an ONNX file with another digest',
      { model: 'tiny.onnx', sha256: wrong },
      {},
      65,
      /the SHA-256 of tiny\.onnx is [0-9a-f]{64}; the recipe wants 0{64}/,
    ],
    [
      'an ONNX file with other classes',
      { model: 'tiny.onnx' },
      { classes: 10 },
      2,
      /it gives 5 classes; the data has 10/,
    ],
    ['a LayersModel with other classes', { model: 'three-classes' }, {}, 2, /it gives 3 classes; the data has 5/],
    [
      'an ONNX file with another input shape',
      { model: 'tiny.onnx' },
      { inputShape: [28, 28, 1] },
      2,
      /its input shape is \[2, 4, 3\]; the data's samples are \[28, 28, 1\]/,
    ],
    ['a LayersModel with another input shape', { model: 'other-shape' }, {}, 2, /its input shape is \[8, 8, 1\]/],
    [
      'a layout that does not fit',
      { model: 'tiny.onnx', layout: 'nhwc' },
      {},
      2,
      /with layout nhwc; layout: nchw wanted, which fits$/,
    ],
    [
      'an input that is not there',
      { model: 'tiny.onnx', input: 'pixels' },
      {},
      2,
      /input "pixels": the model has no such name; it has "images"/,
    ],
    [
      'two outputs and none named',
      { model: 'two-outputs.onnx' },
      {},
      2,
      /output: the model has 2 of them \("logits", "probabilities"\); name one/,
    ],
  ];
  it.each(cases)('refuses %s in one line', async (_, fields, other, exitCode, message) => {
    const refused = inspect(recipe(fields.model, fields), { ...expected, ...other });
    await expect(refused).rejects.toMatchObject({
      name: 'UserError',
      exitCode,
      message: expect.stringMatching(message),
    });
    await expect(refused).rejects.toMatchObject({ message: expect.not.stringContaining('\n') });
  });
});

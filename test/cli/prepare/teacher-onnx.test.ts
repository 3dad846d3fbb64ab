/** tfjs teachers as runs that are compiled have them: turned into ONNX, or as they are, with a line that says why. */
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspectTeacher, type InspectedTeacher, type TeacherOptions } from '../../../cli/prepare/teacher.js';
import { convertTeacher } from '../../../cli/prepare/teacher-onnx.js';
import { nativeFor, onnxFolderFor } from '../../../cli/prepare/teachers.js';
import { ensembleDigest } from '../../../shared/labels/ensemble-digest.js';
import { recipeSchema, type Recipe, type TeacherRecipe } from '../../../shared/recipe/schema.js';
import { sha256Of } from '../../../shared/sha256.js';
import { Ensemble } from '../../../worker/compute/teachers/ensemble.js';
import { layersModelFormat } from '../../../worker/compute/teachers/formats/layers-model.js';
import { TeacherFeed } from '../../../worker/compute/teachers/feed.js';
import type { ForwardResult, InputValues } from '../../../worker/compute/teachers/formats/teacher.js';
import { GraphFile } from '../../worker/compute/teachers/graphs-to-convert.js';
import {
  makeLayersModel,
  noTensorFlow,
  openTensorFlow,
  reference,
  saveLayersModel,
  temporaryFolder,
} from '../../worker/compute/teachers/fixtures.js';

const folder = temporaryFolder();
const onnxFolder = join(folder, 'artifacts');
const expected = {
  inputShape: reference.shape,
  task: 'classes' as const,
  classes: reference.classes,
  preprocess: null,
};
afterAll(() => rmSync(folder, { recursive: true }));

const recipe = (model: string, fields: Partial<TeacherRecipe> = {}): TeacherRecipe => ({
  name: 'one',
  model,
  weight: 2,
  output: 'logits',
  ...fields,
});
const inspect = (teacher: TeacherRecipe, options: Partial<TeacherOptions> = {}): Promise<InspectedTeacher> =>
  inspectTeacher(teacher, expected, { folder, openTensorFlow, ...options });

beforeAll(async () => {
  await openTensorFlow();
  await saveLayersModel(makeLayersModel(), join(folder, 'layers'));
  const l = tf.layers;
  const odd = tf.sequential({
    layers: [
      l.reshape({ inputShape: reference.shape, targetShape: [2, 2, 3, 2], name: 'cube' }),
      l.conv3d({ filters: 2, kernelSize: 2, padding: 'same', name: 'deep' }),
      l.flatten(),
      l.dense({ units: reference.classes }),
    ],
  });
  await saveLayersModel(odd, join(folder, 'odd'));
  const first = tf.sequential({
    layers: [
      l.permute({ inputShape: [2, 4, 3], dims: [2, 3, 1] }),
      l.conv2d({ filters: 3, kernelSize: 2, padding: 'same' }),
      l.flatten(),
      l.dense({ units: reference.classes }),
    ],
  });
  await saveLayersModel(first, join(folder, 'first'));
  for (const name of ['graph', 'odd-graph']) mkdirSync(join(folder, name));
  const graph = (last: string): GraphFile => {
    const g = new GraphFile();
    g.placeholder('images', [-1, ...reference.shape]);
    g.node('flat', 'Reshape', ['images', g.ints('shape', -1, 24)]);
    g.node('small', 'MatMul', ['flat', g.weights('w', [24, reference.classes])]);
    g.node('last', last, last === 'Cumsum' ? ['small', g.int('axis', 1)] : ['small']);
    return g;
  };
  graph('Tanh').save(join(folder, 'graph'));
  graph('Cumsum').save(join(folder, 'odd-graph'));
});

describe('a LayersModel teacher in ONNX', () => {
  it('is described as it was, with a file of its own', async () => {
    const given = await inspect(recipe('layers', { classes: ['a', 'b', 'c', 'd', 'e'] }));
    const { spec, paths, warnings } = await inspect(recipe('layers', { classes: ['a', 'b', 'c', 'd', 'e'] }), {
      onnxFolder,
    });
    expect(warnings).toEqual([]);
    const [file] = spec.files;
    const path = paths.get(file?.sha256 ?? '') ?? '';
    expect([dirname(path), basename(path)]).toEqual([onnxFolder, file?.sha256]);
    expect([sha256Of(readFileSync(path)), readFileSync(path).length]).toEqual([file?.sha256, file?.bytes]);
    const { files: _files, canary, format, ...rest } = spec;
    const { files: _own, canary: ownCanary, format: ownFormat, input: _input, ...wanted } = given.spec;
    expect(rest).toEqual(wanted);
    expect([format, ownFormat]).toEqual(['onnx', 'layers-model']);
    canary?.forEach((value, i) => expect(value).toBeCloseTo(ownCanary?.[i] ?? NaN, 4));
  });

  it('has labels under another key than as it was given, and the same file every time', async () => {
    const form = { combine: 'logits' as const, rows: 4, inputShape: reference.shape };
    const specs = [await inspect(recipe('layers')), await inspect(recipe('layers'), { onnxFolder })];
    const again = await inspect(recipe('layers'), { onnxFolder });
    const [given, converted] = specs.map(({ spec }) => ensembleDigest([spec], form));
    expect(converted).not.toBe(given);
    expect(ensembleDigest([again.spec], form)).toBe(converted);
    expect(readdirSync(onnxFolder)).toHaveLength(1);
  });

  it.each([
    ['layers', 'nhwc', {}],
    ['first', 'nchw', { layout: 'nchw', preprocess: { scale: 2, mean: [0.1, 0.2], std: [1, 2] } }],
    ['graph', 'nhwc', { output: 'probabilities' }],
  ] as const)(
    "labels without tfjs: %s, fed %s, in the data's order of classes, with its taps",
    async (model, layout, fields) => {
      const own = structuredClone(fields) as Partial<TeacherRecipe>;
      const { spec: given, paths: files } = await inspect(recipe(model, own));
      const { spec, paths } = await inspect(recipe(model, own), { onnxFolder });
      expect([spec.format, spec.layout, spec.rescale]).toEqual(['onnx', layout, given.rescale]);
      const inputs = Float32Array.from(reference.inputs);
      const options = { combine: 'logits' as const, rows: 4, inputShape: reference.shape };
      const classMap = { outputs: 5, order: [4, 2] };
      const open = (one: typeof spec, all: ReadonlyMap<string, string>, tensorFlow: typeof openTensorFlow) =>
        Ensemble.open([{ ...one, classes: 2, classMap }], all, { ...options, openTensorFlow: tensorFlow });
      const before = await open(given, files, openTensorFlow);
      const after = await open(spec, paths, noTensorFlow);
      const wanted = (await before.logits(inputs, reference.rows)).get('one') ?? new Float32Array(0);
      const found = (await after.logits(inputs, reference.rows)).get('one') ?? new Float32Array(0);
      expect(found).toHaveLength(reference.rows * 2);
      found.forEach((value, i) => expect(value).toBeCloseTo(wanted[i] ?? NaN, 4));
      expect(await after.tapShapes('one', 'all')).toEqual(await before.tapShapes('one', 'all'));
    },
  );
});

describe('a GraphModel teacher in ONNX', () => {
  it('is described as it was, but for the names that its parts had', async () => {
    const fields = { input: 'images', outputName: 'small' };
    const given = await inspect(recipe('graph', fields), { taps: ['flat'] });
    const { spec, warnings, taps } = await inspect(recipe('graph', fields), { taps: ['flat'], onnxFolder });
    const { files: _files, canary, ...rest } = spec;
    const { files: _own, canary: ownCanary, input: _input, outputName: _output, ...wanted } = given.spec;
    expect([rest, warnings, taps]).toEqual([{ ...wanted, format: 'onnx' }, [], given.taps]);
    canary?.forEach((value, i) => expect(value).toBeCloseTo(ownCanary?.[i] ?? NaN, 4));
    expect(canary).toHaveLength(reference.classes);
  });
});

describe('a teacher that stays as it is', () => {
  it('is one with a node that has no form in ONNX: the line names the node', async () => {
    const { spec, warnings } = await inspect(recipe('odd-graph'), { onnxFolder });
    expect(warnings).toEqual([
      'teacher one: node last (Cumsum): operators of this type cannot be written as ONNX; it runs as a tfjs GraphModel, not in ONNX Runtime',
    ]);
    expect(spec.format).toBe('graph-model');
  });

  it('is one with a layer that has no form in ONNX: the line names the layer', async () => {
    const { spec, warnings, notInOnnx } = await inspect(recipe('odd'), { onnxFolder });
    expect(notInOnnx).toBe('layer deep (Conv3D): layers of this type cannot be written as ONNX');
    expect(warnings).toEqual([
      'teacher one: layer deep (Conv3D): layers of this type cannot be written as ONNX; it runs as a tfjs LayersModel, not in ONNX Runtime',
    ]);
    expect(spec).toEqual((await inspect(recipe('odd'))).spec);
  });

  it('is one that answers otherwise in ONNX: the line tells by how much', async () => {
    const paths = await layersModelFormat.findFiles({
      teacher: 'one',
      model: 'layers',
      path: join(folder, 'layers'),
      isFolder: true,
    });
    if (paths === null) throw new Error('no LayersModel');
    const source = { name: 'one', format: 'layers-model', paths };
    const opened = await layersModelFormat.open(source, openTensorFlow);
    const isAny = (): boolean => true;
    const areWhole = (inputs: Float32Array): boolean => inputs.every((value) => Number.isInteger(value));
    const off = (share: number, isOff: (inputs: Float32Array) => boolean) => ({
      ...opened,
      forward: async (given: readonly InputValues[]): Promise<ForwardResult> => {
        const { output, taps } = await opened.forward(given);
        if (!isOff(given[0]?.values ?? new Float32Array(0))) return { output, taps };
        const range = Math.max(...output) - Math.min(...output);
        return { output: output.map((value, i) => (i === 3 ? value + share * range : value)), taps };
      },
      dispose: async () => undefined,
    });
    const convert = async (share: number, isOff: (inputs: Float32Array) => boolean = isAny): Promise<string | null> => {
      const feed = TeacherFeed.of({ layout: 'nhwc' }, reference.shape, opened.inputs);
      if (feed === null) throw new Error('other samples');
      const given = { source, teacher: off(share, isOff), feed, openTensorFlow };
      const found = await convertTeacher(given, onnxFolder);
      return typeof found === 'string' ? found : null;
    };
    expect(await convert(0)).toBeNull();
    const wanted =
      /^its form in ONNX differs from it by 0\.1\d* of its outputs' range, where 0\.0001 at most was wanted$/;
    // Tokens are whole numbers, of which samples from 0 to 1 have one alone.
    expect(await convert(0.2, areWhole)).toMatch(wanted);
    expect(await convert(2e-3)).toMatch(/^its form in ONNX differs from it by 0\.00\d+ of its outputs' range/);
  });
});

describe('a recipe', () => {
  const withBackend = (backend: Recipe['numerics']['backend']): Recipe =>
    recipeSchema.parse({
      student: { builtin: 'mlp' },
      losses: { crossEntropy: { weight: 1 } },
      data: { train: { format: 'npy', inputs: 'a.npy', labels: 'b.npy' } },
      optimizer: { name: 'sgd', learningRate: 0.1 },
      batch: { size: 8 },
      epochs: 1,
      numerics: { backend },
    });

  it('has its teachers turned into ONNX, unless it names TensorFlow.js', () => {
    for (const backend of ['auto', 'onnx'] as const) expect(onnxFolderFor(withBackend(backend), 'here')).toBe('here');
    for (const backend of ['wasm', 'native'] as const)
      expect(onnxFolderFor(withBackend(backend), 'here')).toBeUndefined();
  });

  it('cannot have SavedModel teachers where its workers have no TensorFlow', async () => {
    for (const backend of ['onnx', 'wasm'] as const)
      await expect(nativeFor(withBackend(backend), 'big')()).rejects.toMatchObject({
        exitCode: 2,
        message: `numerics.backend: ${backend} given; teacher big is a SavedModel, so auto or native wanted`,
      });
  });
});

/** What every format of a teacher's model must do, tried on one example of each. */
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TeacherSpec } from '../../../../shared/protocol/messages.js';
import { randomStream } from '../../../../shared/random.js';
import { openBackend } from '../../../../worker/compute/open/backend-choice.js';
import { inClassOrder } from '../../../../worker/compute/teachers/class-order.js';
import { Ensemble } from '../../../../worker/compute/teachers/ensemble.js';
import type { TeacherFeed } from '../../../../worker/compute/teachers/feed.js';
import { forwardInFixedRows } from '../../../../worker/compute/teachers/fixed-rows.js';
import { feedShape, toChannelsFirst, type Layout } from '../../../../worker/compute/teachers/formats/layout.js';
import type {
  GivenModel,
  OpenTensorFlow,
  Teacher,
  TeacherFormat,
  TeacherSource,
} from '../../../../worker/compute/teachers/formats/teacher.js';
import { recogniseModel, teacherFormats } from '../../../../worker/compute/teachers/teacher-formats.js';
import {
  describeTeacher,
  makeLayersModel,
  noTensorFlow,
  openTensorFlow,
  reference,
  referenceFolder,
  saveGraphModel,
  saveLayersModel,
  temporaryFolder,
} from './fixtures.js';

interface Example {
  /** The model's file or folder, which tests may damage. */
  readonly path: string;
  readonly openTensorFlow: OpenTensorFlow;
  readonly layout: Layout;
  /** One sample, channels last. */
  readonly shape: readonly number[];
  readonly classes: number;
  readonly names?: Pick<TeacherSpec, 'outputName'>;
  /** An inner value and its shape, channels last. */
  readonly tap: { readonly name: string; readonly shape: readonly number[] };
}

const { shape, classes } = reference;
const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

function folder(): string {
  const made = temporaryFolder();
  folders.push(made);
  return made;
}

const examples: Readonly<Record<string, () => Promise<Example>>> = {
  onnx: async () => {
    const path = join(folder(), 'external.onnx');
    for (const name of ['external.onnx', 'external.bin'])
      copyFileSync(join(referenceFolder, name), join(dirname(path), name));
    const tap = { name: '/2/Relu_output_0', shape: [4, 3, 4] };
    return { path, openTensorFlow: noTensorFlow, layout: 'nchw', shape, classes, tap };
  },
  'layers-model': async () => {
    await openTensorFlow();
    const model = makeLayersModel();
    const path = await saveLayersModel(model, folder());
    const tap = { name: model.layers[0]?.name ?? '', shape: [4, 3, 4] };
    return { path, openTensorFlow, layout: 'nhwc', shape, classes, tap };
  },
  'graph-model': async () => {
    const { path } = saveGraphModel(folder());
    return { path, openTensorFlow, layout: 'nhwc', shape, classes, tap: { name: 'flat', shape: [24] } };
  },
  'saved-model': async () => {
    const data = fileURLToPath(new URL('../../../reference/data/saved-model/', import.meta.url));
    const tf = await (await openBackend('native', { threads: 1, gpuDemanded: false })).openTensorFlow();
    const own = JSON.parse(readFileSync(join(data, 'tiny.json'), 'utf8')) as Pick<Example, 'shape' | 'classes'>;
    const path = join(folder(), 'tiny');
    mkdirSync(path);
    cpSync(join(data, 'tiny'), path, { recursive: true });
    return {
      path,
      openTensorFlow: async () => tf,
      layout: 'nhwc',
      shape: own.shape,
      classes: own.classes,
      names: { outputName: 'logits' },
      tap: { name: 'relu', shape: [4, 3, 4] },
    };
  },
};

const rows = 7;

function noise(length: number, key: string): Float32Array {
  const stream = randomStream([key]);
  return Float32Array.from({ length }, () => 2 * stream.float() - 1);
}

function exampleOf({ name }: TeacherFormat): Promise<Example> {
  const make = examples[name];
  if (make === undefined) throw new Error(`no example of a teacher of format ${name}: add one here`);
  return make();
}

function givenOf({ path }: Example): GivenModel {
  return { teacher: 'tiny', model: basename(path), path, isFolder: statSync(path).isDirectory() };
}

async function sourceOf(format: TeacherFormat, example: Example): Promise<TeacherSource> {
  const paths = await format.findFiles(givenOf(example));
  if (paths === null) throw new Error(`${example.path} is no model of format ${format.name}`);
  return { name: 'tiny', format: format.name, paths, ...example.names };
}

/** Samples as they are. */
const fed = (sampleShape: readonly number[]): Pick<TeacherFeed, 'of'> => ({
  of: (values, count) => [{ values, shape: [count, ...sampleShape] }],
});

/** Models on servers have no files of their own, no inner values and no weights here: kserve-v2.test.ts has their tests. */
const inFiles = teacherFormats.filter(({ isServed }) => isServed !== true);

describe.each(inFiles)('format $name', (format) => {
  const isHere = !format.needsNative || process.env.STILLHOUSE_BACKEND === 'native';

  it('has an example here', () => {
    expect(examples).toHaveProperty(format.name);
  });

  describe.skipIf(!isHere)('where its backend is', () => {
    let example: Example;
    let teacher: Teacher;
    let sampleShape: readonly number[];
    const feed = (count: number, key: string): { inputs: Float32Array; shape: readonly number[] } => {
      const inputs = noise(count * example.shape.reduce((a, b) => a * b, 1), key);
      return {
        inputs: example.layout === 'nchw' ? toChannelsFirst(inputs, example.shape) : inputs,
        shape: [count, ...sampleShape],
      };
    };
    beforeAll(async () => {
      example = await exampleOf(format);
      teacher = await format.open(await sourceOf(format, example), example.openTensorFlow);
      const found = feedShape(teacher.inputs[0]?.shape ?? [], example.shape, example.layout);
      if (found === null) throw new Error('the example takes other samples');
      sampleShape = found;
    });

    it('is known by its files, the model file first, and they are of no other format', async () => {
      const given = givenOf(example);
      const found = await recogniseModel(given);
      expect(found?.format.name).toBe(format.name);
      const [main] = found?.paths.values() ?? [];
      expect(given.isFolder ? dirname(main ?? '') : main).toBe(given.path);
      for (const path of found?.paths.values() ?? []) expect(statSync(path).isFile()).toBe(true);
      for (const other of teacherFormats)
        if (other !== format) expect(await other.findFiles(given), other.name).toBeNull();
      expect(format.layouts).toContain(example.layout);
    });

    it('gives a row of finite numbers for each sample, the same bits every time, and leaves the samples alone', async () => {
      const { inputs, shape: whole } = feed(rows, 'samples');
      const before = inputs.slice();
      const { output, taps } = await teacher.forward([{ values: inputs, shape: whole }]);
      expect([output.length, taps.size]).toEqual([rows * example.classes, 0]);
      expect(output.every(Number.isFinite)).toBe(true);
      expect((await teacher.forward([{ values: inputs, shape: whole }])).output).toEqual(output);
      expect(inputs).toEqual(before);
      expect(new Set(output).size).toBeGreaterThan(rows);
    });

    it('gives a sample the same bits at any place, in forwards of a fixed number of rows', async () => {
      const { inputs } = feed(rows, 'samples');
      const size = inputs.length / rows;
      const run = (values: Float32Array, count: number): Promise<Float32Array> =>
        forwardInFixedRows(teacher, values, { rows: count, feed: fed(sampleShape), fixedRows: 3 }).then(
          ({ output }) => output,
        );
      const all = await run(inputs, rows);
      for (const row of [0, 2, 6]) {
        const alone = await run(inputs.slice(row * size, (row + 1) * size), 1);
        expect(alone).toEqual(all.slice(row * example.classes, (row + 1) * example.classes));
      }
    });

    it('gives the taps that are asked for, channels last, and the same answer with them', async () => {
      const { inputs, shape: whole } = feed(rows, 'samples');
      const { output: wanted } = await teacher.forward([{ values: inputs, shape: whole }]);
      const { output, taps } = await teacher.forward([{ values: inputs, shape: whole }], [example.tap.name]);
      expect([...taps.keys()]).toEqual([example.tap.name]);
      expect(taps.get(example.tap.name)?.shape).toEqual(example.tap.shape);
      expect(taps.get(example.tap.name)?.values).toHaveLength(rows * example.tap.shape.reduce((a, b) => a * b, 1));
      output.forEach((value, i) => expect(value).toBeCloseTo(wanted[i] ?? NaN, 5));
      const { taps: all } = await teacher.forward([{ values: inputs, shape: whole }], 'all');
      expect(all.get(example.tap.name)).toEqual(taps.get(example.tap.name));
    });

    it("brings its classes into the data's order", async () => {
      const { paths } = await sourceOf(format, example);
      const names = [...paths.keys()];
      const described = describeTeacher([...paths.values()], { format: format.name, layout: example.layout });
      const files = described.spec.files.map((file, i) => ({ ...file, name: names[i] ?? '' }));
      const open = (fields: Partial<TeacherSpec>): Promise<Ensemble> =>
        Ensemble.open([{ ...described.spec, ...example.names, files, ...fields }], described.files, {
          combine: 'logits',
          rows,
          inputShape: example.shape,
          openTensorFlow: example.openTensorFlow,
        });
      const inputs = noise(rows * example.shape.reduce((a, b) => a * b, 1), 'samples');
      const order = [2, 0];
      const plain = (await (await open({ classes: example.classes })).logits(inputs, rows)).get('tiny');
      const ordered = await open({ classes: 2, classMap: { outputs: example.classes, order } });
      expect((await ordered.logits(inputs, rows)).get('tiny')).toEqual(
        inClassOrder(plain ?? new Float32Array(0), example.classes, order),
      );
    });

    it('leaves no tensor behind', async () => {
      const { inputs, shape: whole } = feed(rows, 'samples');
      const count = async (): Promise<number> =>
        format.name === 'onnx' ? 0 : (await example.openTensorFlow()).memory().numTensors;
      await teacher.forward([{ values: inputs, shape: whole }], [example.tap.name]);
      const before = await count();
      await teacher.forward([{ values: inputs, shape: whole }], [example.tap.name]);
      await teacher.forward([{ values: inputs, shape: whole }]);
      expect(await count()).toBe(before);
      const other = await format.open(await sourceOf(format, example), example.openTensorFlow);
      await other.forward([{ values: inputs, shape: whole }]);
      await other.dispose();
      expect(await count()).toBe(before);
    });

    it('tells how many numbers its weights have, and that they stay as they are', async () => {
      expect(teacher.parameters).toBeGreaterThan(0);
      const { inputs, shape: whole } = feed(rows, 'samples');
      const before = await teacher.weightsDigest();
      await teacher.forward([{ values: inputs, shape: whole }]);
      expect(await teacher.weightsDigest()).toBe(before);
    });

    it('refuses a tap that it lacks, exit code 2', async () => {
      const { inputs, shape: whole } = feed(rows, 'samples');
      await expect(teacher.forward([{ values: inputs, shape: whole }], ['nothing'])).rejects.toMatchObject({
        exitCode: 2,
        message: expect.stringMatching(/^teacher tiny: tap "nothing": /),
      });
    });

    it('refuses a file that is missing or damaged, exit code 65', async () => {
      const broken = await exampleOf(format);
      const source = await sourceOf(format, broken);
      const names = [...source.paths.keys()];
      const refused = { exitCode: 65, message: expect.stringMatching(/^teacher tiny: /) };
      const open = (paths: ReadonlyMap<string, string>): Promise<Teacher> =>
        format.open({ ...source, paths }, broken.openTensorFlow);
      expect(names.length).toBeGreaterThan(1);
      await expect(open(new Map([...source.paths].slice(0, -1)))).rejects.toMatchObject(refused);
      const main = source.paths.get(names[0] ?? '') ?? '';
      truncateSync(main, Math.floor(statSync(main).size / 2));
      await expect(open(source.paths)).rejects.toMatchObject(refused);
    });
  });
});

/** tfjs teachers turned into ONNX: they answer as before, in every value that a recipe can name. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { onnxFormat } from '../../../../worker/compute/teachers/formats/onnx.js';
import type { ForwardResult, Teacher, TeacherSource } from '../../../../worker/compute/teachers/formats/teacher.js';
import { formatNamed, teacherFormats } from '../../../../worker/compute/teachers/teacher-formats.js';
import type { TeacherFeed } from '../../../../worker/compute/teachers/feed.js';
import { forwardInFixedRows } from '../../../../worker/compute/teachers/fixed-rows.js';
import { noTensorFlow, openTensorFlow, temporaryFolder } from './fixtures.js';
import { convertibleCases, folderOf, type ConvertibleModel } from './models-to-convert.js';

const root = temporaryFolder();
afterAll(() => rmSync(root, { recursive: true }));
beforeAll(openTensorFlow);

it('has cases of every format that has a form in ONNX', () => {
  const formats = new Set(convertibleCases.map(({ format }) => format));
  expect(formats).toEqual(new Set(teacherFormats.filter(({ toOnnx }) => toOnnx !== null).map(({ name }) => name)));
});

/** The largest difference, as a share of the largest value. */
function differenceOf(actual: ArrayLike<number>, wanted: ArrayLike<number>): number {
  expect(actual.length).toBe(wanted.length);
  const scale = Array.from(wanted).reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
  return Array.from(wanted).reduce((most, value, i) => Math.max(most, Math.abs(value - (actual[i] ?? NaN)) / scale), 0);
}

/** Samples as they are. */
const fed = (sampleShape: readonly number[]): Pick<TeacherFeed, 'of'> => ({
  of: (values, count) => [{ values, shape: [count, ...sampleShape] }],
});

describe.each(convertibleCases)('$format: $what', (one) => {
  let model: ConvertibleModel;
  let original: Teacher;
  let converted: Teacher;
  let bytes: Uint8Array;
  let wanted: ForwardResult;
  const convert = async (): Promise<Uint8Array> => {
    const { toOnnx } = formatNamed(one.format, 'tiny');
    if (toOnnx === null) throw new Error(`${one.format} stays as it is`);
    return toOnnx(await sourceOf(), openTensorFlow);
  };
  const sourceOf = async (): Promise<TeacherSource> => {
    const given = { teacher: 'tiny', model: 'tiny', path: model.path, isFolder: false };
    const paths = await formatNamed(one.format, 'tiny').findFiles(given);
    if (paths === null) throw new Error(`${model.path} is no ${one.format}`);
    return { name: 'tiny', format: one.format, paths };
  };
  beforeAll(async () => {
    const folder = folderOf(root, one);
    mkdirSync(folder, { recursive: true });
    model = await one.save(folder);
    original = await formatNamed(one.format, 'tiny').open(await sourceOf(), openTensorFlow);
    bytes = await convert();
    const path = join(folder, 'teacher.onnx');
    writeFileSync(path, bytes);
    const paths = new Map([['teacher.onnx', path]]);
    converted = await onnxFormat.open({ name: 'tiny', format: 'onnx', paths }, noTensorFlow);
    wanted = await original.forward([{ values: model.inputs, shape: model.shape }], 'all');
  });

  it('gives the same output', async () => {
    const { output } = await converted.forward([{ values: model.inputs, shape: model.shape }]);
    expect(differenceOf(output, wanted.output)).toBeLessThan(1e-5);
    expect(new Set(output.map((value) => Math.round(value * 1e4))).size).toBeGreaterThan(2);
  });

  it('takes the same samples', () => {
    const facts = ({ inputs, fixedRows }: Teacher): unknown => ({
      inputs: inputs.map(({ shape, integerType }) => ({ shape, integerType })),
      fixedRows,
    });
    expect(facts(converted)).toEqual(facts(original));
  });

  it('has the same taps in the same order, of the same shapes and values', async () => {
    const { taps } = await converted.forward([{ values: model.inputs, shape: model.shape }], 'all');
    expect([...taps.keys()]).toEqual([...wanted.taps.keys()]);
    expect(taps.size).toBeGreaterThan(1);
    for (const [name, { shape, values }] of wanted.taps) {
      const own = taps.get(name);
      expect([name, own?.shape]).toEqual([name, shape]);
      expect(differenceOf(own?.values ?? [], values), name).toBeLessThan(1e-5);
    }
  });

  it('gives one tap by its name, and refuses another', async () => {
    const [name = ''] = [...wanted.taps.keys()].slice(1);
    const { taps } = await converted.forward([{ values: model.inputs, shape: model.shape }], [name]);
    expect([...taps.keys()]).toEqual([name]);
    expect(differenceOf(taps.get(name)?.values ?? [], wanted.taps.get(name)?.values ?? [])).toBeLessThan(1e-5);
    await expect(converted.forward([{ values: model.inputs, shape: model.shape }], ['input'])).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('tap "input": the model has no such name'),
    });
  });

  it('gives a sample the same bits at any place, in forwards of a fixed number of rows', async () => {
    const [rows = 1, ...sampleShape] = model.shape;
    const size = model.inputs.length / rows;
    const run = async (inputs: Float32Array, count: number): Promise<Float32Array> =>
      (await forwardInFixedRows(converted, inputs, { rows: count, feed: fed(sampleShape), fixedRows: 3 })).output;
    const all = await run(model.inputs, rows);
    const last = await run(model.inputs.slice((rows - 1) * size), 1);
    expect(last).toEqual(all.slice((rows - 1) * (all.length / rows)));
  });

  it('is the same file every time', async () => {
    expect(Buffer.from(await convert()).equals(bytes)).toBe(true);
  });
});

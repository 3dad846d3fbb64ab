import { dirname, join } from 'node:path';
import { rmSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { Ensemble } from '../../../../worker/compute/teachers/ensemble.js';
import {
  describeTeacher,
  makeLayersModel,
  openTensorFlow,
  reference,
  saveGraphModel,
  saveLayersModel,
  temporaryFolder,
  tinyOnnx,
  type SpecAndFiles,
} from './fixtures.js';

const { shape, rows, classes } = reference;
const inputs = Float32Array.from(reference.inputs);
const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

function folder(): string {
  const made = temporaryFolder();
  folders.push(made);
  return made;
}

async function layers(): Promise<SpecAndFiles> {
  await openTensorFlow();
  const path = await saveLayersModel(makeLayersModel(), folder());
  return describeTeacher([path, join(dirname(path), 'a.bin'), join(dirname(path), 'b.bin')], {
    name: 'layers',
    format: 'layers-model',
  });
}

function graph(): SpecAndFiles {
  const { path } = saveGraphModel(folder());
  return describeTeacher([path, join(dirname(path), 'w.bin')], {
    name: 'graph',
    format: 'graph-model',
    output: 'probabilities',
  });
}

function open(...teachers: readonly SpecAndFiles[]): Promise<Ensemble> {
  const files = new Map(teachers.flatMap((teacher) => [...teacher.files]));
  return Ensemble.open(
    teachers.map((teacher) => teacher.spec),
    files,
    { combine: 'logits', rows: 4, inputShape: shape, openTensorFlow },
  );
}

function greatestDifference(actual: ArrayLike<number>, wanted: ArrayLike<number>): number {
  expect(actual.length).toBe(wanted.length);
  return Math.max(...Array.from(actual, (value, i) => Math.abs(value - (wanted[i] ?? Number.NaN))));
}

describe('taps of an ONNX teacher', () => {
  it.each(['/2/Relu_output_0', '/2/Relu'])("are PyTorch's activations, channels last, by the name %s", async (name) => {
    const ensemble = await open(tinyOnnx());
    const { logits, taps } = await ensemble.run(inputs, rows, { taps: new Map([['tiny', [name]]]) });
    const tap = taps.get(`tiny/${name}`);
    expect(tap?.shape).toEqual([4, 3, 4]);
    expect(greatestDifference(tap?.values ?? [], reference.relu)).toBeLessThan(1e-5);
    expect(greatestDifference(logits.get('tiny') ?? [], reference.logits)).toBeLessThan(1e-5);
  });

  it('are there with a fixed batch', async () => {
    const ensemble = await open(tinyOnnx({}, 'three-rows.onnx'));
    const { taps } = await ensemble.run(inputs, rows, { taps: new Map([['tiny', ['/2/Relu']]]) });
    expect(greatestDifference(taps.get('tiny//2/Relu')?.values ?? [], reference.relu)).toBeLessThan(1e-5);
  });

  it('are listed with their shapes from the input to the output', async () => {
    expect(await (await open(tinyOnnx())).tapShapes('tiny', 'all')).toEqual([
      { name: '/0/Conv_output_0', shape: [4, 3, 4] },
      { name: '/2/Relu_output_0', shape: [4, 3, 4] },
      { name: '/3/Flatten_output_0', shape: [48] },
      { name: 'logits', shape: [classes] },
    ]);
  });

  it('do not change the bits of logits that are asked for without them', async () => {
    const ensemble = await open(tinyOnnx());
    const before = await ensemble.logits(inputs, rows);
    await ensemble.run(inputs, rows, { taps: new Map([['tiny', ['/2/Relu', '/0/Conv']]]) });
    expect(await ensemble.logits(inputs, rows)).toEqual(before);
  });
});

describe('taps of a LayersModel teacher', () => {
  it("are the layer's outputs after its activation, from the forward that gives the logits", async () => {
    const ensemble = await open(await layers());
    const all = await ensemble.tapShapes('layers', 'all');
    expect(all.map((tap) => tap.shape)).toEqual([[4, 3, 4], [4, 3, 4], [4, 3, 4], [48], [classes]]);
    const first = all[0]?.name ?? '';
    const { taps, logits } = await ensemble.run(inputs, rows, { taps: new Map([['layers', [first]]]) });
    const values = taps.get(`layers/${first}`)?.values ?? new Float32Array(0);
    const tf = await openTensorFlow();
    const wanted = makeLayersModel().layers[0]?.apply(tf.tensor(inputs, [rows, ...shape]));
    if (wanted === undefined || !('dataSync' in wanted)) throw new Error('one tensor');
    expect(values).toEqual(wanted.dataSync());
    expect(logits).toEqual(await ensemble.logits(inputs, rows));
  });

  it('leave no tensor behind', async () => {
    const ensemble = await open(await layers(), graph());
    const [first] = await ensemble.tapShapes('layers', 'all');
    const taps = new Map([
      ['layers', [first?.name ?? '']],
      ['graph', ['logits']],
    ]);
    await ensemble.run(inputs, rows, { taps });
    const tf = await openTensorFlow();
    const before = tf.memory().numTensors;
    await ensemble.run(inputs, rows, { taps });
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('taps of a GraphModel teacher', () => {
  it('are its inner nodes', async () => {
    const ensemble = await open(graph());
    expect(await ensemble.tapShapes('graph', 'all')).toEqual([
      { name: 'flat', shape: [24] },
      { name: 'logits', shape: [classes] },
      { name: 'probabilities', shape: [classes] },
    ]);
    const { taps } = await ensemble.run(inputs, rows, { taps: new Map([['graph', ['flat']]]) });
    expect(taps.get('graph/flat')).toEqual({ values: inputs, shape: [24] });
  });
});

describe('an ensemble with taps', () => {
  it('runs only the teachers that are named', async () => {
    const { logits, taps } = await (
      await open(tinyOnnx(), graph())
    ).run(inputs, rows, { taps: new Map([['graph', ['flat']]]), only: ['graph'] });
    expect([[...logits.keys()], [...taps.keys()]]).toEqual([['graph'], ['graph/flat']]);
  });

  it.each([
    ['tiny', '/2/Rleu'],
    ['layers', 'conv2d'],
    ['graph', 'logitz'],
  ])('refuses a tap that teacher %s lacks, with the nearest names', async (teacher, tap) => {
    const ensemble = await open(tinyOnnx(), await layers(), graph());
    const wanted = new RegExp(`^teacher ${teacher}: tap "${tap}": the model has no such name; nearest: "`);
    await expect(ensemble.run(inputs, rows, { taps: new Map([[teacher, [tap]]]) })).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(wanted),
    });
  });

  it('refuses the shapes of a teacher that is not there', async () => {
    await expect((await open(tinyOnnx())).tapShapes('big', 'all')).rejects.toMatchObject({
      exitCode: 2,
      message: 'tap big/...: there is no teacher "big"; there are tiny',
    });
  });
});

describe('an ONNX teacher of another type', () => {
  it.each([
    ['half.onnx', reference.halfLogits, 2e-2],
    ['quantized.onnx', reference.quantizedLogits, 1e-3],
  ] as const)("%s gives the reference's logits as float32", async (file, wanted, tolerance) => {
    const ensemble = await open(tinyOnnx({}, file));
    expect(greatestDifference((await ensemble.logits(inputs, rows)).get('tiny') ?? [], wanted)).toBeLessThan(tolerance);
  });

  it('gives taps as float32 too', async () => {
    const { taps } = await (
      await open(tinyOnnx({}, 'half.onnx'))
    ).run(inputs, rows, { taps: new Map([['tiny', ['flatten']]]) });
    const flat = taps.get('tiny/flatten');
    expect(flat?.shape).toEqual([24]);
    expect(Math.abs((flat?.values[0] ?? 0) - (inputs[0] ?? 1))).toBeLessThan(2e-3);
  });
});

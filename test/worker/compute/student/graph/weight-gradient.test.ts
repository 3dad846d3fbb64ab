/** The forms that a convolution's gradient by its weights has: which one is taken, and that all give the same. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { writeOnnx } from '../../../../../worker/compute/onnx/write.js';
import {
  weightForm,
  weightForms,
  type SeenAndGiven,
  type WeightForm,
} from '../../../../../worker/compute/student/graph/gradient/weight-gradient.js';
import { GraphWriter } from '../../../../../worker/compute/student/graph/gradient/writer.js';
import { noise } from '../students.js';

type Shape = Omit<SeenAndGiven, 'write' | 'x' | 'dy'>;

interface Settings {
  readonly rows?: number;
  readonly groups?: number;
  readonly stride?: number;
  readonly dilation?: number;
  /** Zeros before and behind each axis. */
  readonly pads?: readonly [number, number];
}

/** Of as many axes as the input has lengths, with the same kernel along each. */
function shapeOf(
  [inputs, outputs]: readonly [number, number],
  input: readonly number[],
  kernel: number,
  { rows = 2, groups = 1, stride = 1, dilation = 1, pads: [before, behind] = [1, 1] }: Settings = {},
): Shape {
  const each = (n: number): number[] => input.map(() => n);
  const reach = (kernel - 1) * dilation + 1;
  const output = input.map((length) => Math.floor((length + before + behind - reach) / stride) + 1);
  const strides = { strides: each(stride), dilations: each(dilation), before: each(before), behind: each(behind) };
  return { rows, inputs, outputs, groups, window: { kernel: each(kernel), input, output, ...strides } };
}

async function gradientIn(form: WeightForm, shape: Shape): Promise<Float32Array> {
  const { rows, inputs, outputs, window } = shape;
  const write = new GraphWriter('g.');
  const output = weightForms[form]({ ...shape, write, x: 'x', dy: 'dy' });
  const given = [
    { name: 'x', type: 'float32', shape: [rows, inputs, ...window.input] },
    { name: 'dy', type: 'float32', shape: [rows, outputs, ...window.output] },
  ] as const;
  const file = writeOnnx({
    operatorSets: new Map([
      ['', 18],
      ['com.microsoft', 1],
    ]),
    graph: { nodes: write.nodes, constants: write.constants, inputs: given, outputs: [{ name: output }] },
  });
  const session = await InferenceSession.create(file, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const feeds = given.map(({ name, shape: dims }) => [name, new Tensor('float32', noise(dims, name), dims)] as const);
  const results = await session.run(Object.fromEntries(feeds));
  await session.release();
  const found = results[output];
  if (!(found?.data instanceof Float32Array)) throw new Error('no gradient');
  expect(found.dims).toEqual([outputs, inputs / shape.groups, ...window.kernel]);
  return found.data;
}

describe("the forms of a convolution's gradient by its weights", () => {
  it.each([
    ['an image', shapeOf([5, 6], [7, 6], 3)],
    ['a line', shapeOf([5, 6], [9], 3, { pads: [2, 0] })],
    ['a volume', shapeOf([3, 4], [3, 4, 5], 2, { pads: [0, 1] })],
    ['dilations', shapeOf([4, 5], [7, 8], 3, { dilation: 2, pads: [2, 1] })],
  ])('give the same of %s', async (_, shape) => {
    const wanted = await gradientIn('columns', shape);
    for (const form of ['products', 'folded products'] as const) {
      const found = await gradientIn(form, shape);
      found.forEach((value, i) => {
        expect(value, form).toBeCloseTo(wanted[i] ?? NaN, 4);
      });
    }
  });

  it('give the same of channels by themselves', async () => {
    const shape = shapeOf([4, 4], [7, 6], 3, { groups: 4, stride: 2 });
    const wanted = await gradientIn('columns', shape);
    (await gradientIn('by channel', shape)).forEach((value, i) => {
      expect(value).toBeCloseTo(wanted[i] ?? NaN, 4);
    });
  });

  const rows = 16;
  const square = (length: number): [number, number] => [length, length];
  it.each([
    ['columns', 'of an image of one channel', shapeOf([1, 8], square(28), 3, { rows })],
    ['columns', 'of colours', shapeOf([3, 16], square(32), 3, { rows: 64 })],
    ['columns', 'of few numbers', shapeOf([8, 16], square(14), 3, { rows })],
    ['columns', 'of a kernel of one place', shapeOf([64, 64], square(32), 1, { rows, pads: [0, 0] })],
    ['columns', 'of strides', shapeOf([16, 32], square(32), 3, { rows, stride: 2 })],
    ['columns', 'of groups of several channels', shapeOf([64, 64], square(32), 3, { rows, groups: 8 })],
    ['products', 'of many places', shapeOf([16, 16], square(32), 3, { rows })],
    ['products', 'of many places of many channels', shapeOf([32, 32], square(16), 3, { rows })],
    ['folded products', 'of more channels than places', shapeOf([64, 64], square(8), 3, { rows })],
    ['by channel', 'of a group each channel', shapeOf([72, 72], square(16), 3, { rows, groups: 72 })],
  ] as const)('take %s %s', (form, _, shape) => {
    expect(weightForm(shape)).toBe(form);
  });
});

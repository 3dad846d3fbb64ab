/** Convolutions on blocked channels against onnxruntime's plain ones. */
import { describe, expect, it } from 'vitest';
import type { Tensor } from 'onnxruntime-node';
import { must } from '../../../../../shared/must.js';
import type { Attribute, KnownValue, OnnxModel } from '../../../../../worker/compute/onnx/graph.js';
import { deviceForms } from '../../../../../worker/compute/student/graph/device-forms.js';
import { differentiate } from '../../../../../worker/compute/student/graph/differentiate.js';
import { fixGraph } from '../../../../../worker/compute/student/graph/fixed-graph.js';
import { blockedDomain, isBlocked, withBlocks } from '../../../../../worker/compute/student/graph/gradient/blocked.js';
import { plainForms } from '../../../../../worker/compute/student/graph/gradient/operator.js';
import { floatsOf, openSession, tensorMaker } from '../../../../../worker/compute/student/graph/session.js';
import { noise } from '../students.js';

const { block } = await deviceForms();

interface Case {
  readonly channels: readonly [from: number, to: number];
  readonly length?: number;
  readonly kernel?: readonly number[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly withBias?: boolean;
  /** Whether forward and gradient by the input take the blocked form. */
  readonly isForth: boolean;
  readonly isBack: boolean;
}

const pads = [1, 1, 1, 1];
const cases: readonly Case[] = [
  { channels: [16, 32], attributes: { pads }, isForth: true, isBack: true },
  { channels: [48, 16], attributes: { pads }, withBias: true, isForth: true, isBack: true },
  { channels: [16, 16], attributes: { pads: [2, 0, 2, 1] }, isForth: true, isBack: true },
  { channels: [16, 16], kernel: [5, 3], attributes: { auto_pad: 'SAME_UPPER' }, isForth: true, isBack: true },
  { channels: [16, 16], attributes: { pads: [2, 2, 2, 2], dilations: [2, 2] }, isForth: true, isBack: true },
  { channels: [16, 32], length: 34, attributes: { pads, strides: [2, 2] }, isForth: true, isBack: false },
  { channels: [16, 16], kernel: [1, 1], isForth: false, isBack: false },
  { channels: [16, 16], attributes: { pads, group: 2 }, isForth: false, isBack: false },
  { channels: [16, 12], attributes: { pads }, isForth: false, isBack: false },
  { channels: [16, 16], length: 8, attributes: { pads }, isForth: false, isBack: false },
];
const rows = 4;

interface Results {
  readonly values: readonly Float32Array[];
  /** How many convolutions of the forward and of the backward are blocked. */
  readonly blocked: readonly [forth: number, back: number];
}

async function resultsOf(
  { channels: [from, to], length = 16, kernel = [3, 3], attributes = {}, withBias = false }: Case,
  size: number,
): Promise<Results> {
  const { group = 1 } = attributes;
  const floats = (shape: readonly number[]): KnownValue => ({ type: 'float32', shape });
  const given = new Map<string, KnownValue>([
    ['x', floats([rows, from, length, length])],
    ['w', floats([to, from / Number(group), ...kernel])],
    ...(withBias ? [['b', floats([to])] as const] : []),
  ]);
  const operatorSets = new Map([
    ['', 18],
    ['com.microsoft', 1],
    [blockedDomain, 1],
  ]);
  const node = {
    op: 'Conv',
    inputs: [...given.keys()],
    outputs: ['y'],
    attributes: { kernel_shape: kernel, ...attributes },
  };
  const model = { nodes: [node], constants: [], inputs: [], outputs: [{ name: 'y' }] };
  const fixed = await fixGraph({ operatorSets, graph: model }, given);
  const backward = differentiate(fixed, new Map([['y', 'dy']]), new Set(given.keys()), {
    ...plainForms,
    block: size,
  });
  const forward = withBlocks(fixed.nodes, fixed.known, size);
  const inputs = [...given, ['dy', must(fixed.known, 'y')] as const];
  const outputs = ['y', ...backward.gradients.values()];
  const whole: OnnxModel = {
    operatorSets,
    graph: {
      nodes: [...forward.nodes, ...backward.nodes],
      constants: [...forward.constants, ...backward.constants],
      inputs: inputs.map(([name, value]) => ({ name, ...value })),
      outputs: outputs.map((name) => ({ name })),
    },
  };
  const make = await tensorMaker();
  const session = await openSession(whole);
  const found = new Map<string, Tensor>(
    Object.entries(
      await session.run(
        Object.fromEntries(inputs.map(([name, value]) => [name, make(value, noise(value.shape, name))] as const)),
      ),
    ),
  );
  await session.release();
  const blockedIn = (nodes: OnnxModel['graph']['nodes']): number =>
    nodes.filter(({ op, domain }) => op === 'Conv' && domain === blockedDomain).length;
  return {
    values: outputs.map((name) => floatsOf(must(found, name))),
    blocked: [blockedIn(forward.nodes), blockedIn(backward.nodes)],
  };
}

describe('convolutions on blocked channels', () => {
  it('are there on x86 processors, as many channels as a register has floats', () => {
    expect(process.arch === 'x64' ? [8, 16] : [1]).toContain(block);
  });

  it.each(cases)('give values and gradients of plain ones where they are quicker: %j', async (one) => {
    const [plain, found] = [await resultsOf(one, 1), await resultsOf(one, block)];
    expect(plain.blocked).toEqual([0, 0]);
    if (block > 1) expect(found.blocked).toEqual([Number(one.isForth), Number(one.isBack)]);
    found.values.forEach((values, i) => {
      const wanted = plain.values[i] ?? new Float32Array(0);
      expect(values).toHaveLength(wanted.length);
      const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const off = wanted.reduce((most, value, at) => Math.max(most, Math.abs(value - (values[at] ?? NaN))), 0);
      expect(off).toBeLessThan(2e-6 * largest);
    });
  });

  it('want whole blocks, and places enough to pay for turning the kernel', () => {
    const shape = { rows: 16, inputs: 32, outputs: 64, groups: 1, window: { kernel: [3, 3], output: [8, 8] } };
    expect(isBlocked(shape, 16)).toBe(true);
    expect(isBlocked(shape, 1)).toBe(false);
    expect(isBlocked({ ...shape, inputs: 24 }, 8)).toBe(true);
    expect(isBlocked({ ...shape, inputs: 24 }, 16)).toBe(false);
    expect(isBlocked({ ...shape, rows: 15 }, 16)).toBe(false);
    expect(isBlocked({ ...shape, window: { kernel: [3], output: [64] } }, 16)).toBe(false);
  });
});

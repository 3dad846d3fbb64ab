/**
 * Each operator against PyTorch's function in float64, with ties, bends, zeros and large numbers: what it gives and its
 * gradients. The references are made by test/reference/operators.py.
 */
import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { must } from '../../../../../shared/must.js';
import {
  floats,
  integers,
  type Attribute,
  type KnownValue,
  type OnnxConstant,
  type OnnxModel,
} from '../../../../../worker/compute/onnx/graph.js';
import { writeOnnx } from '../../../../../worker/compute/onnx/write.js';
import { differentiate } from '../../../../../worker/compute/student/graph/differentiate.js';
import { fixGraph } from '../../../../../worker/compute/student/graph/fixed-graph.js';
import { operators } from '../../../../../worker/compute/student/graph/operators/operators.js';

interface Input {
  readonly shape: number[];
  /** Absent: float32. */
  readonly type?: 'float32' | 'int64' | 'bool';
  readonly values: number[];
  /** Absent of an input that has none. */
  readonly gradient?: number[];
}

interface Case {
  readonly op: string;
  readonly note: string;
  /** Empty: ONNX's own. */
  readonly domain: string;
  readonly opset: number;
  readonly attributes: Readonly<Record<string, Attribute>>;
  readonly outputs: number;
  readonly inputs: readonly (Input | null)[];
  /** The first output. */
  readonly output: number[];
}

const cases = JSON.parse(
  readFileSync(new URL('../../../../reference/data/operators.json', import.meta.url), 'utf8'),
) as readonly Case[];

function constantOf({ shape, type, values }: Input, name: string): OnnxConstant {
  if (type === 'int64') return integers(name, shape, values);
  if (type === 'bool') return { name, type, shape, bytes: Uint8Array.from(values) };
  return floats(name, shape, Float32Array.from(values));
}

function modelOf({ op, domain, opset, attributes, outputs, inputs }: Case): OnnxModel {
  const names = Array.from({ length: outputs }, (_, i) => `y${i}`);
  return {
    operatorSets: new Map([
      ['', opset],
      ['com.microsoft', 1],
    ]),
    graph: {
      nodes: [
        {
          op,
          ...(domain === '' ? {} : { domain }),
          inputs: inputs.map((input, i) => (input === null ? '' : `x${i}`)),
          outputs: names,
          attributes,
        },
      ],
      constants: inputs.flatMap((input, i) =>
        input === null || input.gradient !== undefined ? [] : [constantOf(input, `x${i}`)],
      ),
      inputs: [],
      outputs: [{ name: 'y0' }],
    },
  };
}

/** The gradient of the loss with respect to each number that comes out. */
const seedAt = (_: number, i: number): number => ((i * 37) % 101) / 64 - 0.75;

/** Each number of the one near that of the other: by 1e-5 of the larger of it and of their mean size. */
function expectNear(found: Tensor | undefined, wanted: readonly number[], what: string): void {
  const data = found?.data;
  if (!(data instanceof Float32Array)) throw new Error(`${what} is missing`);
  expect(data.length, what).toBe(wanted.length);
  const mean = wanted.reduce((sum, value) => sum + Math.abs(value), 0) / wanted.length;
  wanted.forEach((value, i) => {
    const off = Math.abs((data[i] ?? NaN) - value);
    expect(off, `${what}[${i}]: ${data[i]} for ${value}`).toBeLessThanOrEqual(1e-5 * Math.max(mean, Math.abs(value)));
  });
}

async function check(one: Case): Promise<void> {
  const active = one.inputs.flatMap((input, i) =>
    input?.gradient === undefined
      ? []
      : [{ name: `x${i}`, shape: input.shape, values: input.values, gradient: input.gradient }],
  );
  const given = new Map(active.map(({ name, shape }): [string, KnownValue] => [name, { type: 'float32', shape }]));
  const graph = await fixGraph(modelOf(one), given);
  const { nodes, constants, gradients } = differentiate(graph, new Map([['y0', 'seed']]), new Set(given.keys()));
  const inputs = [...graph.inputs, ['seed', must(graph.known, 'y0')] as const].map(([name, value]) => ({
    name,
    ...value,
  }));
  const file = writeOnnx({
    operatorSets: graph.operatorSets,
    graph: {
      nodes: [...graph.nodes, ...nodes],
      constants: [...graph.constants.values(), ...constants],
      inputs,
      outputs: [...new Set(['y0', ...gradients.values()])].map((name) => ({ name })),
    },
  });
  const session = await InferenceSession.create(file, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const tensor = (values: readonly number[], shape: readonly number[]): Tensor =>
    new Tensor('float32', Float32Array.from(values), shape);
  const results = await session.run({
    ...Object.fromEntries(active.map(({ name, values, shape }) => [name, tensor(values, shape)])),
    seed: tensor(one.output.map(seedAt), must(graph.known, 'y0').shape),
  });
  expectNear(results.y0, one.output, 'output');
  for (const { name, gradient } of active) {
    const found = gradients.get(name);
    if (found !== undefined) expectNear(results[found], gradient, name);
    else expect(Math.max(...gradient.map(Math.abs)), `${name} has no gradient`).toBe(0);
  }
  await session.release();
}

describe('the gradient of each operator is that of PyTorch', () => {
  const titleOf = ({ op, attributes, note }: Case): string => [op, JSON.stringify(attributes), note].join(' ');
  it.each(cases.map((one) => [titleOf(one), one] as const))('%s', async (_, one) => {
    await check(one);
  });
});

describe('the operators that have a gradient', () => {
  /** They move elements or repeat others, which finite differences show, or PyTorch has no function of the kind. */
  const elsewhere = [
    ...['Identity', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Split', 'Cast', 'CastLike', 'SpaceToDepth'],
    ...['Sum', 'Mean', 'ReduceLogSum', 'GatherND', 'ScatterND', 'Ceil', 'Round'],
    ...['BiasGelu', 'QuickGelu', 'FusedMatMul'],
  ];

  it('are all held against it, but for those that are named', () => {
    const held = new Set(cases.map(({ op }) => op));
    const others = [...new Set(operators.map(({ op }) => op).filter((op) => !held.has(op)))];
    expect(others.sort()).toEqual([...elsewhere].sort());
  });
});

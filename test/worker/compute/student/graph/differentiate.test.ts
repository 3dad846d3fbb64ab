/** Gradients of ONNX graphs, held against the slope of what the graph gives. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import {
  floats,
  integers,
  type KnownValue,
  type OnnxConstant,
  type OnnxModel,
} from '../../../../../worker/compute/onnx/graph.js';
import { writeOnnx } from '../../../../../worker/compute/onnx/write.js';
import { differentiate } from '../../../../../worker/compute/student/graph/differentiate.js';
import { fixGraph, type FixedGraph } from '../../../../../worker/compute/student/graph/fixed-graph.js';
import { must, mustAt } from '../../../../../shared/must.js';
import { noise } from '../students.js';
import type { Case } from './case.js';
import { cases } from './cases.js';

function otherConstant(other: NonNullable<Case['others']>[number], name: string): OnnxConstant | null {
  if (other === null) return null;
  if (Array.isArray(other)) return integers(name, [other.length], other.map(Number));
  if ('float' in other) return floats(name, [], Float32Array.of(other.float));
  if ('floats' in other) return floats(name, [other.floats.length], Float32Array.from(other.floats));
  if ('integers' in other) return integers(name, other.shape, other.integers);
  if ('bool' in other) return { name, type: 'bool', shape: other.shape, bytes: Uint8Array.from(other.bool) };
  throw new Error('an input of no kind');
}

function modelOf({ node, inputs, others = [], order, outputs = 1, seeded = outputs, operatorSet = 20 }: Case): {
  model: OnnxModel;
  given: Map<string, KnownValue>;
} {
  const constants = others.map((other, i) => otherConstant(other, `c${i}`));
  const names = [...inputs.map((_, i) => `x${i}`), ...constants.map((constant) => constant?.name ?? '')];
  const made = Array.from({ length: outputs }, (_, i) => `y${i}`);
  return {
    given: new Map(inputs.map((shape, i) => [`x${i}`, { type: 'float32', shape }])),
    model: {
      operatorSets: new Map([
        ['', operatorSet],
        ['com.microsoft', 1],
      ]),
      graph: {
        nodes: [{ attributes: {}, ...node, inputs: order?.map((i) => mustAt(names, i)) ?? names, outputs: made }],
        constants: constants.filter((constant) => constant !== null),
        inputs: [],
        outputs: made.slice(0, seeded).map((name) => ({ name })),
      },
    },
  };
}

/** Forward and backward as one model, with every output and gradient among its outputs. */
function wholeModel(graph: FixedGraph): { file: Uint8Array; gradients: ReadonlyMap<string, string> } {
  const seeds = new Map(graph.outputs.map((name) => [name, `d.${name}`]));
  const backward = differentiate(graph, seeds, new Set(graph.inputs.keys()));
  const inputs = [...graph.inputs, ...[...seeds].map(([value, seed]) => [seed, must(graph.known, value)] as const)].map(
    ([name, known]) => ({ name, ...known }),
  );
  const file = writeOnnx({
    operatorSets: graph.operatorSets,
    graph: {
      nodes: [...graph.nodes, ...backward.nodes],
      constants: [...graph.constants.values(), ...backward.constants],
      inputs,
      outputs: [...new Set([...graph.outputs, ...backward.gradients.values()])].map((name) => ({ name })),
    },
  });
  return { file, gradients: backward.gradients };
}

const tensor = (values: Float32Array, shape: readonly number[]): Tensor => new Tensor('float32', values, shape);
const valuesOf = (results: InferenceSession.OnnxValueMapType, name: string): Float32Array => {
  const data = results[name]?.data;
  if (!(data instanceof Float32Array)) throw new Error(`${name} is missing`);
  return data;
};
const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * (b[i] ?? NaN), 0);

async function check(one: Case): Promise<void> {
  const { model, given } = modelOf(one);
  const graph = await fixGraph(model, given);
  const { file, gradients } = wholeModel(graph);
  const session = await InferenceSession.create(file, { intraOpNumThreads: 1 });
  const at = new Map(
    [...given].map(([name, { shape }]) => [
      name,
      noise(shape, name).map((u, i) => (one.value ?? ((v: number): number => v))(u, i)),
    ]),
  );
  const seeds = new Map(graph.outputs.map((name) => [name, noise(must(graph.known, name).shape, `seed ${name}`)]));
  const run = async (values: ReadonlyMap<string, Float32Array>): Promise<InferenceSession.OnnxValueMapType> =>
    session.run({
      ...Object.fromEntries([...values].map(([name, data]) => [name, tensor(data, must(given, name).shape)])),
      ...Object.fromEntries(
        [...seeds].map(([name, data]) => [`d.${name}`, tensor(data, must(graph.known, name).shape)]),
      ),
    });
  const lossOf = async (values: ReadonlyMap<string, Float32Array>): Promise<number> => {
    const results = await run(values);
    return [...seeds].reduce((sum, [name, seed]) => sum + dot(valuesOf(results, name), seed), 0);
  };
  const results = await run(at);
  for (const [name, values] of at) {
    const gradient = valuesOf(results, must(gradients, name, 'gradient'));
    expect(results[must(gradients, name)]?.dims, name).toEqual([...must(given, name).shape]);
    for (const key of ['one way', 'another']) {
      const direction = noise([values.length], `${key} ${name}`);
      const h = 4e-3;
      const moved = (by: number): Map<string, Float32Array> =>
        new Map(at).set(
          name,
          values.map((value, i) => value + by * (direction[i] ?? 0)),
        );
      const slope = ((await lossOf(moved(h))) - (await lossOf(moved(-h)))) / (2 * h);
      const scale = Math.max(1, Math.sqrt(dot(gradient, gradient)));
      expect(Math.abs(dot(gradient, direction) - slope) / scale, `${name}, ${key}`).toBeLessThan(4e-3);
    }
  }
  await session.release();
}

describe('the gradient of each operator is the slope of what it gives', () => {
  it.each(cases)('$title', check);
});

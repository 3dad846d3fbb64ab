/**
 * Whole networks as both exporters of PyTorch write them: what they give and the gradients of all their parameters, held
 * against PyTorch. The files are made by test/reference/networks.py.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { must } from '../../../../../shared/must.js';
import { elementsIn } from '../../../../../shared/shape.js';
import type { KnownValue, OnnxConstant, OnnxModel, OnnxNode } from '../../../../../worker/compute/onnx/graph.js';
import { readOnnx } from '../../../../../worker/compute/onnx/read.js';
import { upgradeOnnx } from '../../../../../worker/compute/onnx/upgrade.js';
import { writeOnnx } from '../../../../../worker/compute/onnx/write.js';
import { differentiate } from '../../../../../worker/compute/student/graph/differentiate.js';
import { byBatchMoments, noMoments } from '../../../../../worker/compute/student/graph/gradient/batch-moments.js';
import { fixGraph } from '../../../../../worker/compute/student/graph/fixed-graph.js';

const folder = new URL('../../../../reference/data/networks/', import.meta.url);

interface Reference {
  readonly input: { readonly shape: number[]; readonly type: 'float32' | 'int64'; readonly values: number[] };
  readonly outputs: readonly number[][];
  readonly seeds: readonly number[][];
  readonly gradients: Readonly<Record<string, number[]>>;
}

/** The node as PyTorch trains it: by the moments of the batch, and with all values where nothing is left out. */
function inTraining(node: OnnxNode): OnnxNode[] {
  if (node.op === 'BatchNormalization') return byBatchMoments(node);
  if (node.op !== 'Dropout') return [node];
  return [{ op: 'Identity', inputs: node.inputs.slice(0, 1), outputs: node.outputs.slice(0, 1), attributes: {} }];
}

/** A parameter of the network in the file: the newer exporter turns or flattens some, and names those anew. */
interface Parameter {
  /** In PyTorch. */
  readonly name: string;
  readonly tensor: Tensor;
  /** What PyTorch has at each place of it. */
  readonly places: readonly number[];
}

const numbersIn = ({ bytes }: OnnxConstant): Float32Array => new Float32Array(bytes.slice().buffer);

/** By name, or by its values as they are or turned. */
function findParameter(model: OnnxModel, wanted: OnnxConstant): [string, Parameter] {
  const [rows = 1, columns = 1] = wanted.shape;
  const count = elementsIn(wanted.shape);
  const asIs = Array.from({ length: count }, (_, i) => i);
  const turned = asIs.map((i) => (i % rows) * columns + Math.floor(i / rows));
  const values = numbersIn(wanted);
  for (const constant of model.graph.constants) {
    if (constant.type !== 'float32' || elementsIn(constant.shape) !== count) continue;
    const own = numbersIn(constant);
    for (const places of [asIs, ...(wanted.shape.length === 2 ? [turned] : [])]) {
      if (!own.every((value, i) => value === values[places[i] ?? -1])) continue;
      const tensor = new Tensor('float32', own, [...constant.shape]);
      return [constant.name, { name: wanted.name, tensor, places }];
    }
  }
  throw new Error(`parameter ${wanted.name} is not in the file`);
}

/** The model with its parameters among its inputs, and as PyTorch trains it. */
function trainable(model: OnnxModel, names: ReadonlyMap<string, unknown>): OnnxModel {
  return {
    operatorSets: new Map([...model.operatorSets, ['com.microsoft', 1]]),
    graph: {
      ...model.graph,
      nodes: model.graph.nodes.flatMap(inTraining),
      constants: [...model.graph.constants.filter(({ name }) => !names.has(name)), noMoments],
    },
  };
}

const known = ({ type, dims }: Tensor): KnownValue => ({ type: type as KnownValue['type'], shape: dims });

function inputOf({ shape, type, values }: Reference['input']): Tensor {
  if (type === 'float32') return new Tensor('float32', Float32Array.from(values), shape);
  return new Tensor('int64', BigInt64Array.from(values, BigInt), shape);
}

/** The norm of the difference over the norm of what is wanted, or of `least` where that is smaller. */
function distance(found: Tensor | undefined, wanted: readonly number[], least: number): number {
  const data = found?.data;
  if (!(data instanceof Float32Array)) throw new Error('a result is missing');
  expect(data.length).toBe(wanted.length);
  const off = Math.hypot(...wanted.map((value, i) => value - (data[i] ?? NaN)));
  return off / Math.max(least, Math.hypot(...wanted));
}

const read = (file: string): OnnxModel => upgradeOnnx(readOnnx(readFileSync(new URL(file, folder))));

async function check(network: string, file: string): Promise<void> {
  const reference = JSON.parse(readFileSync(new URL(`${network}.json`, folder), 'utf8')) as Reference;
  const whole = read(file);
  const names = Object.keys(reference.gradients);
  const named = read(`${network}-17.onnx`).graph.constants.filter(({ name }) => names.includes(name));
  expect(named.map(({ name }) => name).sort()).toEqual([...names].sort());
  const parameters = new Map(named.map((wanted) => findParameter(whole, wanted)));
  expect(parameters.size).toBe(names.length);
  const model = trainable(whole, parameters);
  const given = new Map([
    ['x', inputOf(reference.input)],
    ...[...parameters].map(([name, { tensor }]) => [name, tensor] as const),
  ]);
  const graph = await fixGraph(model, new Map([...given].map(([name, tensor]) => [name, known(tensor)])));
  const seeds = new Map(graph.outputs.map((name) => [name, `d.${name}`]));
  const backward = differentiate(graph, seeds, new Set(parameters.keys()));
  const session = await InferenceSession.create(
    writeOnnx({
      operatorSets: graph.operatorSets,
      graph: {
        nodes: [...graph.nodes, ...backward.nodes],
        constants: [...graph.constants.values(), ...backward.constants],
        inputs: [
          ...[...graph.inputs].map(([name, value]) => ({ name, ...value })),
          ...[...seeds].map(([value, name]) => ({ name, ...must(graph.known, value) })),
        ],
        outputs: [...new Set([...graph.outputs, ...backward.gradients.values()])].map((name) => ({ name })),
      },
    }),
    { intraOpNumThreads: 1, logSeverityLevel: 3 },
  );
  const seedTensors = graph.outputs.map((name, i) => {
    const values = Float32Array.from(reference.seeds[i] ?? []);
    return [`d.${name}`, new Tensor('float32', values, must(graph.known, name).shape)] as const;
  });
  const results = await session.run(Object.fromEntries([...given, ...seedTensors]));
  graph.outputs.forEach((name, i) => {
    expect(distance(results[name], reference.outputs[i] ?? [], 1e-3), name).toBeLessThan(1e-5);
  });
  // A gradient that is 0, as of a bias before a norm, is held against the size of the others.
  const sizes = Object.values(reference.gradients).map((values) => Math.hypot(...values));
  const least = 1e-2 * Math.max(...sizes);
  for (const [own, { name, places }] of parameters) {
    const wanted = places.map((place) => reference.gradients[name]?.[place] ?? NaN);
    expect(distance(results[must(backward.gradients, own, 'gradient')], wanted, least), name).toBeLessThan(1e-4);
  }
  await session.release();
}

const files = readdirSync(folder).filter((name) => name.endsWith('.onnx'));

describe('the gradients of a network that PyTorch exported are its own', () => {
  it.each(files)('%s', async (file) => {
    await check(file.replace(/-\w+\.onnx$/, ''), file);
  });

  it('of nine networks, by the older exporter in three operator sets and by the newer one', () => {
    const of = (kind: string): number => files.filter((name) => name.endsWith(`-${kind}.onnx`)).length;
    expect(['11', '13', '17', '23', 'dynamo', 'plain'].map(of)).toEqual([8, 8, 9, 2, 5, 9]);
  });
});

/**
 * A graph with every shape known: the number of rows is fixed, and what follows from shapes and constants alone is
 * computed, once. Differentiation then needs to know no rule of shapes. onnxruntime tells types and shapes by running
 * the graph once with every value among its outputs.
 */
import type { Tensor } from 'onnxruntime-node';
import { must } from '../../../../shared/must.js';
import {
  bytesOf,
  type ElementType,
  type KnownValue,
  type OnnxConstant,
  type OnnxModel,
  type OnnxNode,
} from '../../onnx/graph.js';
import { upgradeOnnx } from '../../onnx/upgrade.js';
import { openSession, tensorMaker } from './session.js';

/** A graph in which the type and the shape of every value are known. */
export interface FixedGraph {
  readonly operatorSets: OnnxModel['operatorSets'];
  /** In an order in which every value is made before it is taken. */
  readonly nodes: readonly OnnxNode[];
  readonly constants: ReadonlyMap<string, OnnxConstant>;
  /** What the graph is given, in order. */
  readonly inputs: ReadonlyMap<string, KnownValue>;
  readonly outputs: readonly string[];
  /** Of every value: inputs, constants and those that nodes make. */
  readonly known: ReadonlyMap<string, KnownValue>;
}

/** Operators whose result is drawn, and so does not follow from their inputs. */
const randomOperators = new Set([
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
  'Bernoulli',
  'Multinomial',
  'Dropout',
]);
/** Operators whose result follows from their input's shape alone. */
const shapeOperators = new Set(['Shape', 'Size']);

/**
 * @param inputs all that the model is given, by name, with every dimension a number
 * @throws Error of onnxruntime when the model cannot run with such inputs
 */
export async function fixGraph(given: OnnxModel, inputs: ReadonlyMap<string, KnownValue>): Promise<FixedGraph> {
  const model = upgradeOnnx(given);
  const { graph } = model;
  const made = graph.nodes.flatMap(({ outputs }) => outputs.filter((name) => name !== ''));
  const values = await tryOnce(model, inputs, made);
  const known = new Map<string, KnownValue>([
    ...inputs,
    ...graph.constants.map(({ name, type, shape }) => [name, { type, shape }] as const),
    ...[...values].map(([name, { type, dims }]) => [name, { type: type as ElementType, shape: dims }] as const),
  ]);
  const constants = new Map(graph.constants.map((constant) => [constant.name, constant]));
  const nodes = graph.nodes.filter((node) => {
    if (!isFoldable(node, constants)) return true;
    for (const name of node.outputs)
      if (name !== '') constants.set(name, constantOf(name, must(values, name, 'value')));
    return false;
  });
  const outputs = graph.outputs.map(({ name }) => name);
  return withoutUnused({ operatorSets: model.operatorSets, nodes, constants, inputs, outputs, known });
}

/** The graph without nodes and constants that its outputs do not depend on. */
export function withoutUnused<G extends Pick<FixedGraph, 'nodes' | 'constants' | 'outputs'>>(graph: G): G {
  const used = new Set(graph.outputs);
  const nodes = [...graph.nodes].reverse().filter(({ inputs, outputs }) => {
    if (!outputs.some((name) => used.has(name))) return false;
    for (const name of inputs) used.add(name);
    return true;
  });
  const constants = new Map([...graph.constants].filter(([name]) => used.has(name)));
  return { ...graph, nodes: nodes.reverse(), constants };
}

function isFoldable({ op, inputs }: OnnxNode, constants: ReadonlyMap<string, unknown>): boolean {
  if (randomOperators.has(op)) return false;
  return shapeOperators.has(op) || inputs.every((name) => name === '' || constants.has(name));
}

function constantOf(name: string, { type, dims, data }: Tensor): OnnxConstant {
  if (!ArrayBuffer.isView(data)) throw new Error(`${name} holds texts`);
  return { name, type: type as ElementType, shape: dims, bytes: bytesOf(data).slice() };
}

/** Runs the model with zeros. @returns every value that its nodes make */
async function tryOnce(
  { graph, operatorSets }: OnnxModel,
  inputs: ReadonlyMap<string, KnownValue>,
  made: readonly string[],
): Promise<ReadonlyMap<string, Tensor>> {
  const makeTensor = await tensorMaker();
  const trial: OnnxModel = {
    operatorSets,
    graph: {
      ...graph,
      inputs: [...inputs].map(([name, value]) => ({ name, ...value })),
      outputs: made.map((name) => ({ name })),
    },
  };
  const session = await openSession(trial, 'disabled');
  try {
    const feeds = [...inputs].map(([name, value]) => [name, makeTensor(value)] as const);
    const results = await session.run(Object.fromEntries(feeds));
    return new Map(Object.entries(results));
  } finally {
    await session.release();
  }
}

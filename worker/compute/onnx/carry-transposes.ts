/**
 * Carries transposes through a graph. Layers hand each other channels last, and convolutions stand between two
 * transposes; most of these meet their inverse behind operators that do not care about the order of axes. A transpose is
 * therefore not written where it stands, but where an operator needs its result. Pure.
 */
import { must } from '../../../shared/must.js';
import type { OnnxGraph, OnnxModel, OnnxNode } from './graph.js';
import { axisOf, integerOr } from './attributes.js';

/** A value that is another one with its axes in another order: axis i of it is axis perm[i] of the source. */
export interface Turned {
  readonly source: string;
  readonly perm: readonly number[];
}

/** Operators of one value, element by element; further inputs are scalars. */
const elementwise = new Set([
  'Identity',
  'Neg',
  'Abs',
  'Sqrt',
  'Reciprocal',
  'Exp',
  'Log',
  'Sin',
  'Cos',
  'Erf',
  'Tanh',
  'Sigmoid',
  'Softplus',
  'Softsign',
  'Relu',
  'LeakyRelu',
  'Elu',
  'Selu',
  'Gelu',
  'HardSigmoid',
  'HardSwish',
  'Mish',
  'Clip',
  'Cast',
  'Dropout',
]);
/** Operators of several values with broadcasting. */
const broadcasting = new Set(['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Max', 'Min', 'Sum', 'Mean']);
const reducing = new Set(['ReduceSum', 'ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceL2', 'ReduceSumSquare']);

/** A graph with its transposes carried, and what became of the values in between. */
export interface CarriedModel {
  readonly model: OnnxModel;
  /** Values by their old names that are other values in another order; the graph may not make them under their own. */
  readonly turned: ReadonlyMap<string, Turned>;
}

/** @param ranks of the graph's inputs and constants, by name */
export function carryTransposes(model: OnnxModel, ranks: ReadonlyMap<string, number>): OnnxModel {
  return withCarriedTransposes(model, ranks).model;
}

/**
 * As `carryTransposes`, for a caller who wants to find values of the graph again.
 * @param ranks of the graph's inputs and constants, by name
 */
export function withCarriedTransposes(model: OnnxModel, ranks: ReadonlyMap<string, number>): CarriedModel {
  const carrier = new Carrier(model.graph, ranks);
  return { model: { ...model, graph: carrier.run() }, turned: carrier.turned };
}

class Carrier {
  readonly #graph: OnnxGraph;
  readonly #ranks: ReadonlyMap<string, number>;
  readonly #turned = new Map<string, Turned>();
  readonly #nodes: OnnxNode[] = [];
  readonly #written = new Map<string, string>();
  readonly #reshaped = new Map<string, OnnxNode>();
  readonly #integers: { readonly name: string; readonly values: readonly number[] }[] = [];

  constructor(graph: OnnxGraph, ranks: ReadonlyMap<string, number>) {
    this.#graph = graph;
    this.#ranks = ranks;
  }

  get turned(): ReadonlyMap<string, Turned> {
    return this.#turned;
  }

  run(): OnnxGraph {
    for (const node of this.#graph.nodes) this.#carry(node);
    for (const { name } of this.#graph.outputs) {
      const turned = this.#turned.get(name);
      if (turned !== undefined) this.#write({ ...turned, name });
    }
    const constants = this.#integers.map(({ name, values }) => ({
      name,
      type: 'int64' as const,
      shape: [values.length],
      bytes: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
    }));
    return { ...this.#graph, nodes: this.#nodes, constants: [...this.#graph.constants, ...constants] };
  }

  #carry(node: OnnxNode): void {
    const [first = ''] = node.inputs;
    const turned = this.#turned.get(first);
    if (node.op === 'Transpose' && 'perm' in node.attributes) return this.#turn(node);
    if (turned !== undefined && elementwise.has(node.op)) return this.#follow(node, turned.perm);
    if (broadcasting.has(node.op) && this.#carryBroadcast(node)) return;
    if (turned !== undefined && reducing.has(node.op) && this.#carryReduction(node, turned)) return;
    if (node.op === 'Concat' && this.#carryConcat(node)) return;
    if (turned !== undefined && node.op === 'Pad' && this.#carryPad(node, turned)) return;
    this.#nodes.push({ ...node, inputs: node.inputs.map((name) => this.#plain(name)) });
  }

  #turn({ inputs: [x = ''], outputs: [y = ''], attributes }: OnnxNode): void {
    const given = attributes.perm;
    const perm = Array.isArray(given) ? given.map(Number) : [];
    const before = this.#turned.get(x) ?? { source: x, perm: perm.map((_, axis) => axis) };
    const after = perm.map((axis) => must(new Map(before.perm.entries()), axis, 'axis'));
    this.#turned.set(y, { source: before.source, perm: after });
  }

  /** Writes the node for the sources of its inputs; its output is turned as they are. */
  #follow(node: OnnxNode, perm: readonly number[], inputs?: readonly string[]): void {
    const [y = '', ...others] = node.outputs;
    const source = `${y}.turned`;
    const own = inputs ?? [must(this.#turned, node.inputs[0] ?? '').source, ...node.inputs.slice(1)];
    this.#nodes.push({ ...node, inputs: own, outputs: [source, ...others] });
    this.#turned.set(y, { source, perm });
  }

  /** Where all operands are turned alike, or are scalars, or lie along one axis. */
  #carryBroadcast(node: OnnxNode): boolean {
    const perms = node.inputs.flatMap((name) => {
      const turned = this.#turned.get(name);
      return turned === undefined ? [] : [turned.perm];
    });
    const [perm, ...others] = perms;
    if (perm === undefined || others.some((other) => other.join() !== perm.join())) return false;
    const isCarried = (name: string): boolean => {
      const rank = this.#ranks.get(name);
      return this.#turned.has(name) || (rank !== undefined && rank <= 1);
    };
    if (!node.inputs.every(isCarried)) return false;
    this.#follow(
      node,
      perm,
      node.inputs.map((name) => this.#turned.get(name)?.source ?? this.#alongLast(name, perm)),
    );
    return true;
  }

  /** An operand of one axis, which goes along the last axis of what is turned, as one along the source's axis. */
  #alongLast(name: string, perm: readonly number[]): string {
    if (this.#ranks.get(name) === 0) return name;
    const axis = perm.at(-1) ?? 0;
    const behind = perm.length - 1 - axis;
    const key = `${name} ${behind}`;
    const found = this.#reshaped.get(key);
    if (found !== undefined) return found.outputs[0] ?? '';
    const shape = `carried.shape${this.#integers.length}`;
    this.#integers.push({ name: shape, values: [-1, ...Array.from({ length: behind }, () => 1)] });
    const node = { op: 'Reshape', inputs: [name, shape], outputs: [`${name}.along${axis}`], attributes: {} };
    this.#reshaped.set(key, node);
    this.#nodes.push(node);
    return `${name}.along${axis}`;
  }

  /** Over all axes but the first and the source's second: what is left is in order then, or turned as the kept axes. */
  #carryReduction(node: OnnxNode, { source, perm }: Turned): boolean {
    const axes = node.attributes.axes;
    if (!Array.isArray(axes)) return false;
    const own = axes.map(Number).map((axis) => perm[axisOf(axis, perm.length)] ?? 0);
    const [y = ''] = node.outputs;
    const attributes = { ...node.attributes, axes: own };
    if (integerOr(node, 'keepdims', 1) === 1) {
      this.#follow({ ...node, attributes }, perm, [source]);
      return true;
    }
    const kept = perm.filter((axis) => !own.includes(axis));
    if (kept.some((axis, i) => i > 0 && axis < (kept[i - 1] ?? 0))) return false;
    this.#nodes.push({ ...node, attributes, inputs: [source], outputs: [y] });
    return true;
  }

  #carryConcat(node: OnnxNode): boolean {
    const turned = node.inputs.flatMap((name) => this.#turned.get(name) ?? []);
    const [first, ...others] = turned;
    if (first === undefined || turned.length !== node.inputs.length) return false;
    const { perm } = first;
    if (others.some((other) => other.perm.join() !== perm.join())) return false;
    const axis = perm[axisOf(integerOr(node, 'axis', 0), perm.length)] ?? 0;
    this.#follow(
      { ...node, attributes: { ...node.attributes, axis } },
      perm,
      turned.map(({ source }) => source),
    );
    return true;
  }

  /** By constant lengths along all axes: those before them all, then those behind. */
  #carryPad(node: OnnxNode, { source, perm }: Turned): boolean {
    const [, lengths = '', ...value] = node.inputs;
    const given = this.#graph.constants.find(({ name }) => name === lengths);
    if (given?.shape[0] !== 2 * perm.length) return false;
    const { buffer, byteOffset, byteLength } = given.bytes.slice();
    const own = Array.from(new BigInt64Array(buffer, byteOffset, byteLength / 8), Number);
    const values = own.map(() => 0);
    perm.forEach((axis, i) => {
      values[axis] = own[i] ?? 0;
      values[perm.length + axis] = own[perm.length + i] ?? 0;
    });
    const name = `carried.lengths${this.#integers.length}`;
    this.#integers.push({ name, values });
    this.#follow(node, perm, [source, name, ...value]);
    return true;
  }

  /** The value as it is asked for, with its transpose written, once. */
  #plain(name: string): string {
    const turned = this.#turned.get(name);
    if (turned === undefined) return name;
    const found = this.#written.get(name);
    if (found !== undefined) return found;
    this.#write({ ...turned, name });
    return name;
  }

  #write({ source, perm, name }: Turned & { readonly name: string }): void {
    if (this.#written.has(name)) return;
    this.#written.set(name, name);
    const isInOrder = perm.every((axis, i) => axis === i);
    this.#nodes.push(
      isInOrder
        ? { op: 'Identity', inputs: [source], outputs: [name], attributes: {} }
        : { op: 'Transpose', inputs: [source], outputs: [name], attributes: { perm } },
    );
  }
}

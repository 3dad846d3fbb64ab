/** An ONNX graph in the making, and how a layer's settings are read. */
import type { NamedTensor } from '../../../../shared/models/safetensors.js';
import type { LayerJson } from '../../../../shared/models/topology.js';
import { mustAt } from '../../../../shared/must.js';
import { elementsIn } from '../../../../shared/shape.js';
import { NoOnnxForm } from '../no-onnx-form.js';
import { floats, integers, type Attribute, type OnnxConstant, type OnnxNode } from '../graph.js';

/** Operators whose first outputs need not be there. */
const mayLeaveOut = new Set(['RNN', 'GRU', 'LSTM']);

/** How a kernel that tfjs keeps is laid out for ONNX. */
export interface Turning {
  /** Which axis comes first, second, ...; absent: they stay in order. */
  readonly perm?: readonly number[];
  /** The shape that the values have afterwards. */
  readonly shape: readonly number[];
}

/** Collects a graph's nodes and constants, for a student that is no longer trained. */
export class OnnxBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly constants: OnnxConstant[] = [];

  /** Outputs of the outermost model's layers, by the layers' names. */
  readonly outputs = new Map<string, string>();
  /** Dimensions of each layer's output, the batch's included. */
  readonly ranks = new Map<string, number>();
  /** Outputs with steps that do not count, and their masks (masks.ts). */
  readonly masks = new Map<string, string>();

  constructor(protected readonly weights: ReadonlyMap<string, NamedTensor>) {}

  /** @param place of the output that is wanted, among the operator's @returns its name */
  node(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}, place = 0): string {
    const output = `t${this.nodes.length}`;
    const before = Array.from({ length: place }, (_, i) => (mayLeaveOut.has(op) ? '' : `${output}_${i}`));
    this.nodes.push({ op, inputs, outputs: [...before, output], attributes });
    return output;
  }

  /** Adds an array of float32. @returns its name */
  constant(values: Float32Array, shape: readonly number[]): string {
    return this.#add(floats(`c${this.constants.length}`, shape, values));
  }

  /** Adds one float32. @returns its name */
  scalar(value: number): string {
    return this.constant(Float32Array.of(value), []);
  }

  /** Adds a list of int64. @returns its name */
  integers(...values: number[]): string {
    return this.#add(integers(`c${this.constants.length}`, [values.length], values));
  }

  /** Adds one int64. @returns its name */
  integer(value: number): string {
    return this.#add(integers(`c${this.constants.length}`, [], [value]));
  }

  /** @param name behind the layer's own */
  weight(layer: LayerJson, name: string): NamedTensor {
    const found = this.weights.get(`${nameOf(layer)}/${name}`);
    if (found === undefined) throw refusal(layer, `it has no weight ${name}`);
    return found;
  }

  /** The weight as it is. @returns its name in the graph */
  weightConstant(layer: LayerJson, name: string): string {
    const { values, shape } = this.weight(layer, name);
    return this.constant(values, shape);
  }

  /** The weight with its axes in another order, and then in another shape. @returns its name in the graph */
  turnedWeight(layer: LayerJson, name: string, { perm, shape }: Turning): string {
    const weight = this.weight(layer, name);
    return this.constant(perm === undefined ? weight.values : transposed(weight, perm), shape);
  }

  /** Batch norm over the last axis by the moving values, which are known: one factor and one shift. */
  batchNorm(layer: LayerJson, x: string): string {
    const { config } = layer;
    const mean = this.weight(layer, 'moving_mean').values;
    const variance = this.weight(layer, 'moving_variance').values;
    const gamma = config.scale === false ? null : this.weight(layer, 'gamma').values;
    const beta = config.center === false ? null : this.weight(layer, 'beta').values;
    const factor = variance.map((value, i) => (gamma?.[i] ?? 1) / Math.sqrt(value + numberOr(config.epsilon, 1e-3)));
    const shift = factor.map((value, i) => (beta?.[i] ?? 0) - (mean[i] ?? 0) * value);
    const scaled = this.node('Mul', [x, this.constant(factor, [factor.length])]);
    return this.node('Add', [scaled, this.constant(shift, [shift.length])]);
  }

  /** Nothing is dropped once a student is trained. @param _path the names of the models around it and its own */
  dropout(_layer: LayerJson, x: string, _path: readonly string[]): string {
    return x;
  }

  #add(constant: OnnxConstant): string {
    this.constants.push(constant);
    return constant.name;
  }
}

/** The layer's own name in its model. */
export function nameOf(layer: LayerJson): string {
  return String(layer.config.name);
}

/** The error for a layer that ONNX cannot express: it names the layer, its type and why. The exit code is 65. */
export function refusal(layer: LayerJson, why: string): NoOnnxForm {
  return new NoOnnxForm(`layer ${nameOf(layer)} (${layer.class_name})`, why);
}

export const numberOr = (value: unknown, otherwise: number): number => (typeof value === 'number' ? value : otherwise);
export const numbers = (value: unknown): number[] => [value].flat().filter((item) => typeof item === 'number');

/** Reads a setting that is a number or two: one number stands for both; `otherwise` where there is none. */
export function pair(value: unknown, otherwise: readonly number[]): readonly number[] {
  const [first, second] = numbers(value);
  return first === undefined ? otherwise : [first, second ?? first];
}

function transposed({ values, shape }: NamedTensor, perm: readonly number[]): Float32Array {
  const steps = shape.map((_, axis) => elementsIn(shape.slice(axis + 1)));
  const turned = new Float32Array(values.length);
  let at = 0;
  const visit = (axis: number, from: number): void => {
    const own = perm[axis];
    if (own === undefined) {
      turned[at++] = values[from] ?? 0;
      return;
    }
    for (let i = 0; i < mustAt(shape, own); i++) visit(axis + 1, from + i * mustAt(steps, own));
  };
  visit(0, 0);
  return turned;
}

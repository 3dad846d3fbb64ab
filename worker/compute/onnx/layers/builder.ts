/** An ONNX graph in the making, and how a layer's settings are read. */
import { exitCodes, UserError } from '../../../../shared/errors.js';
import type { NamedTensor } from '../../../../shared/models/safetensors.js';
import type { LayerJson } from '../../../../shared/models/topology.js';
import { floats, integers, type Attribute, type OnnxConstant, type OnnxNode } from '../graph.js';

/** Operators whose first outputs need not be there. */
const mayLeaveOut = new Set(['RNN', 'GRU', 'LSTM']);

/** Collects a graph's nodes and constants. */
export class OnnxBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly constants: OnnxConstant[] = [];

  /** Dimensions of each layer's output, the batch's included. */
  readonly ranks = new Map<string, number>();
  /** Outputs with steps that do not count, and their masks (masks.ts). */
  readonly masks = new Map<string, string>();

  constructor(private readonly weights: ReadonlyMap<string, NamedTensor>) {}

  /** @param place of the output that is wanted, among the operator's @returns its name */
  node(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}, place = 0): string {
    const output = `t${this.nodes.length}`;
    const before = Array.from({ length: place }, (_, i) => (mayLeaveOut.has(op) ? '' : `${output}_${i}`));
    this.nodes.push({ op, inputs, outputs: [...before, output], attributes });
    return output;
  }

  constant(values: Float32Array, shape: readonly number[]): string {
    return this.#add(floats(`c${this.constants.length}`, shape, values));
  }

  scalar(value: number): string {
    return this.constant(Float32Array.of(value), []);
  }

  integers(...values: number[]): string {
    return this.#add(integers(`c${this.constants.length}`, [values.length], values));
  }

  integer(value: number): string {
    return this.#add(integers(`c${this.constants.length}`, [], [value]));
  }

  /** @param name behind the layer's own */
  weight(layer: LayerJson, name: string): NamedTensor {
    const found = this.weights.get(`${nameOf(layer)}/${name}`);
    if (found === undefined)
      throw new UserError(
        `student layer ${nameOf(layer)} (${layer.class_name}): no weight ${name}; a whole student was wanted`,
        exitCodes.data,
      );
    return found;
  }

  weightConstant(layer: LayerJson, name: string): string {
    const { values, shape } = this.weight(layer, name);
    return this.constant(values, shape);
  }

  #add(constant: OnnxConstant): string {
    this.constants.push(constant);
    return constant.name;
  }
}

export function nameOf(layer: LayerJson): string {
  return String(layer.config.name);
}

export function refusal(layer: LayerJson, why: string): UserError {
  return new UserError(
    `student layer ${nameOf(layer)} (${layer.class_name}): ${why}; choose --format tfjs or safetensors`,
    exitCodes.data,
  );
}

export const numberOr = (value: unknown, otherwise: number): number => (typeof value === 'number' ? value : otherwise);
export const numbers = (value: unknown): number[] => [value].flat().filter((item) => typeof item === 'number');

export function pair(value: unknown, otherwise: readonly number[]): readonly number[] {
  const [first, second] = numbers(value);
  return first === undefined ? otherwise : [first, second ?? first];
}

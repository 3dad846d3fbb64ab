/** Nodes and constants in the making, with names that nothing else in the graph has. Pure. */
import { doubles, floats, integers, type Attribute, type OnnxConstant, type OnnxNode } from '../../../onnx/graph.js';

/** Collects the nodes and constants of a part of a graph. */
export class GraphWriter {
  readonly nodes: OnnxNode[] = [];
  readonly #prefix: string;
  readonly #constants = new Map<string, OnnxConstant>();
  #count = 0;

  /** @param prefix of every name that is made: no value of the graph around it may begin so */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** The constants that were added. */
  get constants(): OnnxConstant[] {
    return [...this.#constants.values()];
  }

  /** A name that is not taken yet. */
  fresh(): string {
    return `${this.#prefix}${this.#count++}`;
  }

  /** Adds a node with one output. @returns the output's name */
  node(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    return this.several(op, inputs, attributes, 1)[0] ?? '';
  }

  /** Adds a node of the operator set `com.microsoft`, which onnxruntime brings. */
  microsoft(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const output = this.fresh();
    this.nodes.push({ op, domain: 'com.microsoft', inputs, outputs: [output], attributes });
    return output;
  }

  /** Adds a node with several outputs. @returns their names */
  several(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>>,
    outputs: number,
  ): string[] {
    const names = Array.from({ length: outputs }, () => this.fresh());
    this.nodes.push({ op, inputs, outputs: names, attributes });
    return names;
  }

  /** A scalar of float32; the same value has the same name. */
  scalar(value: number): string {
    return this.#constant(`s${value}`, (name) => floats(name, [], Float32Array.of(value)));
  }

  /** A list of int64; the same list has the same name. */
  integers(...values: readonly number[]): string {
    return this.#constant(`i${values.join()}`, (name) => integers(name, [values.length], values));
  }

  /** A tensor of float32; equal ones are not sought. */
  floats(shape: readonly number[], values: Float32Array): string {
    return this.#constant(`f${this.#count}`, (name) => floats(name, shape, values));
  }

  /** A scalar of float64; the same value has the same name. */
  double(value: number): string {
    return this.#constant(`d${value}`, (name) => doubles(name, [], Float64Array.of(value)));
  }

  /** A tensor of float64; equal ones are not sought. */
  doubles(shape: readonly number[], values: Float64Array): string {
    return this.#constant(`f${this.#count}`, (name) => doubles(name, shape, values));
  }

  #constant(key: string, make: (name: string) => OnnxConstant): string {
    const found = this.#constants.get(key);
    if (found !== undefined) return found.name;
    const constant = make(this.fresh());
    this.#constants.set(key, constant);
    return constant.name;
  }
}

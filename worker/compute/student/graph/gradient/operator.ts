/**
 * What an operator says of itself so that graphs with it can be differentiated. Gradients are written for operator set
 * 18 and later, to which every graph is brought first (../../onnx/upgrade.ts).
 */
import type { KnownValue, OnnxNode } from '../../../onnx/graph.js';
import type { GraphWriter } from './writer.js';

export { axisOf, floatOr, integerOr, integersOr, textOr } from '../../../onnx/attributes.js';

/** What onnxruntime has forms for on the device that computes the graph. */
export interface DeviceForms {
  /** Channels that lie together in the blocked form of convolutions (blocked.ts); 1: there is none. */
  readonly block: number;
  /** Whether MaxUnpool is computed there: CUDA has none. */
  readonly unpools: boolean;
}

/** ONNX's own operators alone. */
export const plainForms: DeviceForms = { block: 1, unpools: true };

/** A node of the forward graph, while the gradients of its inputs are written. */
export interface BackwardNode {
  readonly node: OnnxNode;
  /** Takes the nodes of the gradient. */
  readonly write: GraphWriter;
  /** The gradient of the loss with respect to each output, of the output's shape; null where none flows. */
  readonly gradients: readonly (string | null)[];
  /** Whether the gradient of that input is wanted. */
  wants(input: number): boolean;
  /** Type and shape of a value of the forward graph. */
  known(name: string): KnownValue;
  readonly device: DeviceForms;
  /** The elements of a constant of the forward graph; null for a value that is not constant. */
  constant(name: string): readonly number[] | null;
}

/**
 * Writes the gradient of the loss with respect to each of the node's inputs: a name in the inputs' order, of the
 * input's shape, or null where none flows or none is wanted.
 *
 * @throws NoGradient for a setting that has none here
 */
export type WriteGradient = (backward: BackwardNode) => readonly (string | null)[];

/** An ONNX operator that can be differentiated. */
export interface Operator {
  readonly op: string;
  /** Absent: ONNX's own. */
  readonly domain?: string;
  readonly gradient: WriteGradient;
}

/** A node whose gradient cannot be written. The message says what about it. */
export class NoGradient extends Error {}

/** The gradient of the first output, which must have one. */
export function gradientOf({ gradients: [first = null], node }: BackwardNode): string {
  if (first === null) throw new Error(`${node.op}: no gradient of its first output`);
  return first;
}

/** The name of an input that must be given. */
export function inputOf({ node }: BackwardNode, index: number): string {
  const name = node.inputs[index];
  if (name === undefined || name === '') throw new NoGradient(`${node.op} without its input ${index}`);
  return name;
}

/** The shape of a value of the forward graph. */
export function shapeOf(backward: BackwardNode, name: string): readonly number[] {
  return backward.known(name).shape;
}

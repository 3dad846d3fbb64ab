/** Reads the settings of an ONNX node, each with what it is where the node does not say. Pure. */
import type { OnnxNode } from './graph.js';

/** An integer setting of the node. */
export function integerOr({ attributes }: OnnxNode, name: string, otherwise: number): number {
  const value = attributes[name];
  return typeof value === 'number' ? value : otherwise;
}

/** A float setting of the node. */
export function floatOr({ attributes }: OnnxNode, name: string, otherwise: number): number {
  const value = attributes[name];
  return typeof value === 'object' && 'float' in value ? value.float : otherwise;
}

/** A list of integers of the node. */
export function integersOr({ attributes }: OnnxNode, name: string, otherwise: readonly number[]): readonly number[] {
  const value = attributes[name];
  return Array.isArray(value) ? value.map(Number) : otherwise;
}

/** An attribute of a node that is text; `otherwise` where it is not given. */
export function textOr({ attributes }: OnnxNode, name: string, otherwise: string): string {
  const value = attributes[name];
  return typeof value === 'string' ? value : otherwise;
}

/** An axis counted from the front. */
export function axisOf(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

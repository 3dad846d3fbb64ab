/** A node with the settings and shapes that exports use, for tests of its gradient. */
import type { Attribute, OnnxNode } from '../../../../../worker/compute/onnx/graph.js';

export interface Case {
  readonly title: string;
  readonly node: Pick<OnnxNode, 'op'> & Partial<OnnxNode>;
  /** Shapes of the inputs that have a gradient. */
  readonly inputs: readonly (readonly number[])[];
  /** What the numbers of those inputs are put through; absent: uniform in [-1, 1). */
  readonly value?: (uniform: number, index: number) => number;
  /** Further inputs: a list of int64, integers or bools of a shape, float32 alone or in a list, or none. */
  readonly others?: readonly (
    | readonly number[]
    | { readonly bool: readonly number[]; readonly shape: readonly number[] }
    | { readonly integers: readonly number[]; readonly shape: readonly number[] }
    | { readonly float: number }
    | { readonly floats: readonly number[] }
    | null
  )[];
  /** The places among all of these of the node's inputs; absent: in that order. */
  readonly order?: readonly number[];
  /** How many outputs it has; absent: 1. */
  readonly outputs?: number;
  /** How many of them, from the first on, the loss depends on; absent: all. */
  readonly seeded?: number;
  /** Version of ONNX's operator set; absent: 20. */
  readonly operatorSet?: number;
}

export const made = (
  op: string,
  inputs: readonly (readonly number[])[],
  attributes: Readonly<Record<string, Attribute>> = {},
  more: Partial<Case> & { readonly note?: string; readonly domain?: string } = {},
): Case => {
  const { note = '', domain, ...rest } = more;
  const settings = Object.entries(attributes).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  return {
    title: [op, inputs.map((shape) => `[${shape.join()}]`).join(' '), ...settings, note]
      .filter((x) => x !== '')
      .join(' '),
    node: { op, attributes, ...(domain === undefined ? {} : { domain }) },
    inputs,
    ...rest,
  };
};

export const positive = (u: number): number => 1.5 + u;
/** Away from the bends of piecewise functions at 0, so that a slope is one. */
export const offZero = (u: number): number => u + Math.sign(u) * 0.1;
/** No two of them equal, so that a largest one stays the largest: neighbours are 0.05 apart. */
export const distinct = (_: number, i: number): number => ((i * 37) % 101) / 20 - 2.51;
export const float = (value: number): Attribute => ({ float: value });

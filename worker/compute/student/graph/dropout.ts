/**
 * Keyed dropout in a graph: each Dropout node becomes a product with a mask that the graph is given. A mask depends on
 * the key of the micro-batch and on the node's name alone.
 */
import { must } from '../../../../shared/must.js';
import { randomStream, type RandomKey } from '../../../../shared/random.js';
import { elementsIn } from '../../../../shared/shape.js';
import type { KnownValue, OnnxNode } from '../../onnx/graph.js';
import { numbersOf } from './constants.js';
import type { FixedGraph } from './fixed-graph.js';

/** A dropout mask that the graph is given as an input. */
export interface Mask {
  /** The graph's input that it is given by. */
  readonly input: string;
  /** The node's name. */
  readonly name: string;
  /** The share that is dropped, in [0, 1). */
  readonly rate: number;
  readonly shape: readonly number[];
}

/** Dropout is the identity where it drops nothing. */
export function withMasks(graph: FixedGraph): { readonly graph: FixedGraph; readonly masks: readonly Mask[] } {
  const masks: Mask[] = [];
  const nodes = graph.nodes.map((node): OnnxNode => {
    if (node.op !== 'Dropout' || node.domain !== undefined) return node;
    const [x = '', ratio = ''] = node.inputs;
    const [y = ''] = node.outputs;
    const constant = graph.constants.get(ratio);
    const rate = constant === undefined ? 0.5 : (numbersOf(constant)[0] ?? 0);
    if (rate === 0) return { op: 'Identity', inputs: [x], outputs: [y], attributes: {} };
    const name = node.name ?? y;
    const mask = { input: `mask ${name}`, name, rate, shape: must(graph.known, y, 'value').shape };
    masks.push(mask);
    return { op: 'Mul', inputs: [x, mask.input], outputs: [y], attributes: {} };
  });
  const inputs = masks.map(({ input, shape }): [string, KnownValue] => [input, { type: 'float32', shape }]);
  return {
    graph: {
      ...graph,
      nodes,
      inputs: new Map([...graph.inputs, ...inputs]),
      known: new Map([...graph.known, ...inputs]),
    },
    masks,
  };
}

/** Fills `out` with 0 for what is dropped and 1 / (1 - rate) for what stays (Srivastava et al., 2014, inverted). */
export function drawMask({ name, rate, shape }: Mask, key: RandomKey, out: Float32Array): void {
  const stream = randomStream([...key, name]);
  const kept = 1 / (1 - rate);
  const count = elementsIn(shape);
  for (let i = 0; i < count; i++) out[i] = stream.float() < rate ? 0 : kept;
}

/** All operators that have a gradient, a line each file. */
import type { OnnxNode } from '../../../onnx/graph.js';
import type { Operator } from '../gradient/operator.js';
import { arithmetic } from './arithmetic.js';
import { attentions } from './attention.js';
import { choices } from './choices.js';
import { convolutions } from './convolution.js';
import { sums } from './einsum.js';
import { functions } from './functions.js';
import { matrices } from './matrices.js';
import { microsoft } from './microsoft.js';
import { normalisations } from './normalisations.js';
import { pads } from './pads.js';
import { pools } from './pools.js';
import { reductions } from './reductions.js';
import { resizes } from './resize.js';
import { shapes } from './shapes.js';

export const operators: readonly Operator[] = [
  ...arithmetic,
  ...attentions,
  ...choices,
  ...convolutions,
  ...functions,
  ...matrices,
  ...microsoft,
  ...normalisations,
  ...pads,
  ...pools,
  ...reductions,
  ...resizes,
  ...shapes,
  ...sums,
];

const byName = new Map(operators.map((operator) => [keyOf(operator), operator]));

function keyOf({ op, domain = '' }: Pick<OnnxNode, 'op' | 'domain'>): string {
  return `${domain}:${op}`;
}

/** Undefined for an operator without a gradient. */
export function operatorFor(node: OnnxNode): Operator | undefined {
  return byName.get(keyOf(node));
}

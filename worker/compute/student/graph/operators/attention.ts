/**
 * Attention over queries, keys and values of shape [rows, heads, places, width]: softmax(scale Q K^T + mask) V (Vaswani
 * et al., 2017, section 3.2.1). Its gradient computes the softmax again.
 */
import { mustAt } from '../../../../../shared/must.js';
import { sumTo } from '../gradient/broadcast.js';
import {
  floatOr,
  gradientOf,
  inputOf,
  integerOr,
  NoGradient,
  shapeOf,
  type BackwardNode,
  type Operator,
} from '../gradient/operator.js';

/** @throws NoGradient for heads within the last axis, for heads that share keys, and for what generating text takes */
function check(backward: BackwardNode): void {
  const { node } = backward;
  const shapes = [0, 1, 2].map((i) => shapeOf(backward, inputOf(backward, i)));
  if (shapes.some(({ length }) => length !== 4))
    throw new NoGradient('an Attention of values without an axis of heads');
  if (new Set(shapes.map((shape) => shape[1])).size > 1) throw new NoGradient('an Attention whose heads share keys');
  if (floatOr(node, 'softcap', 0) !== 0) throw new NoGradient('an Attention with softcap');
  if (node.inputs.slice(4).some((name) => name !== '')) throw new NoGradient('an Attention with past keys');
  if (backward.gradients.slice(1).some((gradient) => gradient !== null))
    throw new NoGradient('an Attention of which more than the first output is used');
}

/** The weights of the values, [rows, heads, queries, keys]. */
function weightsOf(backward: BackwardNode, scale: string): string {
  const { node, write } = backward;
  const [q, k] = [inputOf(backward, 0), inputOf(backward, 1)];
  const mask = node.inputs[3] ?? '';
  const never = write.scalar(-Infinity);
  let scores = write.node('Mul', [write.microsoft('FusedMatMul', [q, k], { transB: 1 }), scale]);
  if (mask !== '')
    scores =
      backward.known(mask).type === 'bool'
        ? write.node('Where', [mask, scores, never])
        : write.node('Add', [scores, mask]);
  if (integerOr(node, 'is_causal', 0) === 1) {
    const [queries, keys] = [mustAt(shapeOf(backward, q), 2), mustAt(shapeOf(backward, k), 2)];
    const ahead = Float32Array.from({ length: queries * keys }, (_, i) =>
      i % keys > Math.floor(i / keys) ? -Infinity : 0,
    );
    scores = write.node('Add', [scores, write.floats([queries, keys], ahead)]);
  }
  return write.node('Softmax', [scores], { axis: -1 });
}

function attention(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  check(backward);
  const [q, k, v] = [inputOf(backward, 0), inputOf(backward, 1), inputOf(backward, 2)];
  const shapeQ = shapeOf(backward, q);
  const scale = write.scalar(floatOr(node, 'scale', 1 / Math.sqrt(mustAt(shapeQ, 3))));
  const dy = gradientOf(backward);
  const weights = weightsOf(backward, scale);
  const product = write.node('Mul', [weights, write.microsoft('FusedMatMul', [dy, v], { transB: 1 })]);
  const sum = write.node('ReduceSum', [product, write.integers(-1)], { keepdims: 1 });
  const dScores = write.node('Sub', [product, write.node('Mul', [weights, sum])]);
  const scaled = write.node('Mul', [dScores, scale]);
  const mask = node.inputs[3] ?? '';
  const dMask = (): string => {
    const shape = [...shapeQ.slice(0, 3), mustAt(shapeOf(backward, k), 2)];
    return sumTo(write, dScores, shape, shapeOf(backward, mask));
  };
  return [
    backward.wants(0) ? write.node('MatMul', [scaled, k]) : null,
    backward.wants(1) ? write.microsoft('FusedMatMul', [scaled, q], { transA: 1 }) : null,
    backward.wants(2) ? write.microsoft('FusedMatMul', [weights, dy], { transA: 1 }) : null,
    mask !== '' && backward.wants(3) ? dMask() : null,
  ];
}

export const attentions: readonly Operator[] = [{ op: 'Attention', gradient: attention }];

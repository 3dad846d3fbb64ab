/** Matrix products. */
import { reshape, sumTo } from '../gradient/broadcast.js';
import {
  floatOr,
  gradientOf,
  inputOf,
  integerOr,
  shapeOf,
  type BackwardNode,
  type Operator,
} from '../gradient/operator.js';
import type { GraphWriter } from '../gradient/writer.js';

/** alpha A' B' + beta C, where a prime may mean the transpose. */
function gemm(backward: BackwardNode): readonly (string | null)[] {
  const { node, write } = backward;
  const dy = gradientOf(backward);
  const [a, b, c = ''] = [inputOf(backward, 0), inputOf(backward, 1), node.inputs[2]];
  const [transA, transB] = [integerOr(node, 'transA', 0), integerOr(node, 'transB', 0)];
  const alpha = { float: floatOr(node, 'alpha', 1) };
  const product = (x: string, y: string, flipX: number, flipY: number): string =>
    write.node('Gemm', [x, y], { alpha, transA: flipX, transB: flipY });
  const dA = (): string => (transA === 0 ? product(dy, b, 0, 1 - transB) : product(b, dy, transB, 1));
  const dB = (): string => (transB === 0 ? product(a, dy, 1 - transA, 0) : product(dy, a, 1, transA));
  const beta = floatOr(node, 'beta', 1);
  const dC = (): string => {
    const sum = sumTo(write, dy, shapeOf(backward, node.outputs[0] ?? ''), shapeOf(backward, c));
    return beta === 1 ? sum : write.node('Mul', [sum, write.scalar(beta)]);
  };
  return [
    backward.wants(0) ? dA() : null,
    backward.wants(1) ? dB() : null,
    c !== '' && backward.wants(2) ? dC() : null,
  ];
}

/** Batched products of [..., M, K] and [..., K, N], whose leading axes broadcast; a vector stands for one row or column. */
function matMul(backward: BackwardNode): readonly (string | null)[] {
  const { write } = backward;
  const [a, b] = [inputOf(backward, 0), inputOf(backward, 1)];
  const [shapeA, shapeB] = [shapeOf(backward, a), shapeOf(backward, b)];
  const matrixA = shapeA.length === 1 ? [1, ...shapeA] : shapeA;
  const matrixB = shapeB.length === 1 ? [...shapeB, 1] : shapeB;
  const batch = broadcastOf(matrixA.slice(0, -2), matrixB.slice(0, -2));
  const [rows = 1, inner = 1] = matrixA.slice(-2);
  const columns = matrixB.at(-1) ?? 1;
  const as = (name: string, from: readonly number[], to: readonly number[]): string =>
    from.length === to.length ? name : reshape(write, name, to);
  const y = shapeOf(backward, backward.node.outputs[0] ?? '');
  const dy = as(gradientOf(backward), y, [...batch, rows, columns]);
  const [wholeA, wholeB] = [as(a, shapeA, matrixA), as(b, shapeB, matrixB)];
  const dA = (): string => {
    const full = product(write, dy, wholeB, { transB: 1 });
    return as(sumTo(write, full, [...batch, rows, inner], matrixA), matrixA, shapeA);
  };
  const dB = (): string => {
    if (matrixB.length === 2 && matrixA.length > 2) return as(foldedProduct(backward, wholeA, dy), matrixB, shapeB);
    const full = product(write, wholeA, dy, { transA: 1 });
    return as(sumTo(write, full, [...batch, inner, columns], matrixB), matrixB, shapeB);
  };
  /** Of one matrix that all of a batch share: one product over all rows, instead of one each and their sum. */
  function foldedProduct({ write }: BackwardNode, left: string, right: string): string {
    return write.node('Gemm', [reshape(write, left, [-1, inner]), reshape(write, right, [-1, columns])], { transA: 1 });
  }
  return [backward.wants(0) ? dA() : null, backward.wants(1) ? dB() : null];
}

/** A product with one side transposed, without a copy of it. */
function product(write: GraphWriter, a: string, b: string, flips: { transA?: 1; transB?: 1 }): string {
  return write.microsoft('FusedMatMul', [a, b], { ...flips });
}

/** The shape that both broadcast to. */
export function broadcastOf(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => Math.max(a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1));
}

export const matrices: readonly Operator[] = [
  { op: 'Gemm', gradient: gemm },
  { op: 'MatMul', gradient: matMul },
];

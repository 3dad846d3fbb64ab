/**
 * Arithmetic in float64 as nodes of a graph, for losses: what they add up is small, and float32 would lose what is left
 * of logits of 1e4 at a temperature of 0.05. Each method adds nodes and gives the name of their result.
 */
import type { GraphWriter } from '../gradient/writer.js';
import { reshape } from '../gradient/broadcast.js';

/** Writes float64 nodes; operands broadcast. */
export class Doubles {
  readonly #write: GraphWriter;

  constructor(write: GraphWriter) {
    this.#write = write;
  }

  number(value: number): string {
    return this.#write.double(value);
  }

  /** A matrix of constants. */
  matrix(shape: readonly number[], values: Float64Array): string {
    return this.#write.doubles(shape, values);
  }

  /** From float32, or from truth as 0 and 1. */
  from(value: string): string {
    return this.#write.node('Cast', [value], { to: float64 });
  }

  toFloats(value: string): string {
    return this.#write.node('Cast', [value], { to: float32 });
  }

  add(a: string, b: string): string {
    return this.#write.node('Add', [a, b]);
  }

  subtract(a: string, b: string): string {
    return this.#write.node('Sub', [a, b]);
  }

  multiply(a: string, b: string): string {
    return this.#write.node('Mul', [a, b]);
  }

  /** A value times a number; the value itself for 1. */
  times(value: string, factor: number): string {
    return factor === 1 ? value : this.multiply(value, this.number(factor));
  }

  divide(a: string, b: string): string {
    return this.#write.node('Div', [a, b]);
  }

  atLeast(value: string, least: number): string {
    return this.#write.node('Max', [value, this.number(least)]);
  }

  atMost(value: string, most: number): string {
    return this.#write.node('Min', [value, this.number(most)]);
  }

  /** 1 where the value is greater, else 0. */
  isAbove(value: string, limit: number): string {
    return this.from(this.#write.node('Greater', [value, this.number(limit)]));
  }

  product(a: string, b: string): string {
    return this.#write.node('MatMul', [a, b]);
  }

  /** A matrix with rows and columns changed over. */
  turned(matrix: string): string {
    return this.#write.node('Transpose', [matrix], { perm: [1, 0] });
  }

  of(op: 'Abs' | 'Exp' | 'Log' | 'Neg' | 'Sign' | 'Sqrt', value: string): string {
    return this.#write.node(op, [value]);
  }

  square(value: string): string {
    return this.multiply(value, value);
  }

  /** The sum over an axis, which stays with the length 1. */
  sum(value: string, axis: number): string {
    return this.#write.node('ReduceSum', [value, this.#write.integers(axis)], { keepdims: 1 });
  }

  mean(value: string, axis: number): string {
    return this.#write.node('ReduceMean', [value, this.#write.integers(axis)], { keepdims: 1 });
  }

  largest(value: string, axis: number): string {
    return this.#write.node('ReduceMax', [value, this.#write.integers(axis)], { keepdims: 1 });
  }

  /** log softmax along the last axis: less the largest first, so that it is finite for finite values of any size. */
  logSoftmax(value: string): string {
    return this.#write.node('LogSoftmax', [value], { axis: -1 });
  }

  reshape(value: string, shape: readonly number[]): string {
    return reshape(this.#write, value, shape);
  }

  /** `a` where the condition is not 0, else `b`. */
  choose(condition: string, a: string, b: string): string {
    return this.#write.node('Where', [this.#write.node('Cast', [condition], { to: bool }), a, b]);
  }
}

/** The numbers that ONNX gives to types of elements. */
const [float32, bool, float64] = [1, 9, 11];

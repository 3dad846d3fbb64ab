/**
 * Batch normalisation in training as two kernels of the wasm backend; norm.ts says what they compute. Inputs are
 * [rows, columns] and [columns].
 */
import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs';
import type { TensorFlow } from '../backend.js';
import { infoOf, type Heap } from './heap.js';

/** { x, gamma, beta }, { epsilon } -> [y, mean, variance] */
export function normKernel(_tf: TensorFlow, heap: Heap, inputs: NamedTensorInfoMap, attrs: NamedAttrMap): TensorInfo[] {
  const [x, gamma, beta] = [infoOf(inputs, 'x'), infoOf(inputs, 'gamma'), infoOf(inputs, 'beta')];
  const [rows = 0, columns = 0] = x.shape;
  const [y, mean, variance, scale] = [
    heap.make(x.shape),
    heap.make([columns]),
    heap.make([columns]),
    heap.make([columns]),
  ];
  heap.withDoubles(2 * columns, (sums) => heap.run('normMoments', x, sums, mean, variance, rows, columns));
  const inverse = inverseDeviation(heap.floats(variance), attrs);
  const gammas = heap.floats(gamma);
  heap.floats(scale).set(inverse.map((value, c) => value * (gammas[c] ?? 0)));
  heap.run('normForward', x, mean, scale, beta, y, rows, columns);
  heap.free(scale);
  return [y, mean, variance];
}

/** { x, dy, mean, variance, gamma }, { epsilon } -> [dx, dgamma, dbeta] */
export function normGradientKernel(
  _tf: TensorFlow,
  heap: Heap,
  inputs: NamedTensorInfoMap,
  attrs: NamedAttrMap,
): TensorInfo[] {
  const [x, dy, mean, variance, gamma] = [
    infoOf(inputs, 'x'),
    infoOf(inputs, 'dy'),
    infoOf(inputs, 'mean'),
    infoOf(inputs, 'variance'),
    infoOf(inputs, 'gamma'),
  ];
  const [rows = 0, columns = 0] = x.shape;
  const [dx, dgamma, dbeta] = [heap.make(x.shape), heap.make([columns]), heap.make([columns])];
  const [a, b, c, sums, products] = [
    heap.make([columns]),
    heap.make([columns]),
    heap.make([columns]),
    heap.make([2 * columns]),
    heap.make([2 * columns]),
  ];
  heap.run('normSums', x, dy, mean, sums, products, rows, columns);
  const inverse = inverseDeviation(heap.floats(variance), attrs);
  const gammas = heap.floats(gamma);
  const [sumsOfDy, sumsOfProducts] = [heap.doubles(sums, columns), heap.doubles(products, columns)];
  const views = {
    a: heap.floats(a),
    b: heap.floats(b),
    c: heap.floats(c),
    dgamma: heap.floats(dgamma),
    dbeta: heap.floats(dbeta),
  };
  inverse.forEach((own, i) => {
    const scale = own * (gammas[i] ?? 0);
    const [sum, product] = [sumsOfDy[i] ?? 0, sumsOfProducts[i] ?? 0];
    views.a[i] = scale;
    views.b[i] = (scale * sum) / rows;
    views.c[i] = (scale * own * own * product) / rows;
    views.dgamma[i] = own * product;
    views.dbeta[i] = sum;
  });
  heap.run('normGradient', x, dy, mean, a, b, c, dx, rows, columns);
  for (const scratch of [a, b, c, sums, products]) heap.free(scratch);
  return [dx, dgamma, dbeta];
}

/** 1 / sqrt(variance + epsilon), in float64. */
function inverseDeviation(variance: Float32Array, attrs: NamedAttrMap): Float64Array {
  return Float64Array.from(variance, (value) => 1 / Math.sqrt(value + Number(attrs.epsilon)));
}

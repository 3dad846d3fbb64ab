/**
 * Matrix products with a transposed factor, which backward passes are made of: the backend has a slow loop for them.
 */
import type { KernelFunc, TensorInfo } from '@tensorflow/tfjs';
import type { TensorFlow } from '../backend.js';

/** The backend's product, given factors that are transposed first; for single matrices, which it is fast at. */
export function transposingMatMul(tf: TensorFlow, product: KernelFunc): KernelFunc {
  return (args) => {
    const { a, b } = args.inputs;
    const { transposeA, transposeB } = args.attrs ?? {};
    if (a === undefined || b === undefined || (!transposeA && !transposeB) || !isMatrix(a) || !isMatrix(b))
      return product(args);
    const transpose = tf.getKernel('Transpose', 'wasm').kernelFunc;
    const turned = (info: TensorInfo, wanted: boolean): TensorInfo => {
      if (!wanted) return info;
      const rank = info.shape.length;
      const perm = info.shape.map((_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i));
      const result = transpose({ inputs: { x: info }, attrs: { perm }, backend: args.backend });
      if (Array.isArray(result)) throw new Error('a transpose gives one tensor');
      return result;
    };
    const factors = { a: turned(a, transposeA === true), b: turned(b, transposeB === true) };
    const out = product({ ...args, inputs: factors, attrs: { ...args.attrs, transposeA: false, transposeB: false } });
    if (factors.a !== a) tf.backend().disposeData(factors.a.dataId);
    if (factors.b !== b) tf.backend().disposeData(factors.b.dataId);
    return out;
  };
}

function isMatrix({ shape }: TensorInfo): boolean {
  return shape.slice(0, -2).every((dim) => dim === 1);
}

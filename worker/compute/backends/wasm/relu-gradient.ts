/** ReLU's gradient in one pass; tfjs composes it of three. */
import type { NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs';
import { kernelOf, type TensorFlow } from '../backend.js';
import { infoOf, type Heap } from './heap.js';

/** dx = dy where y > 0, else 0. */
export function reluGradient(tf: TensorFlow, heap: Heap, inputs: NamedTensorInfoMap): TensorInfo {
  const y = infoOf(inputs, 'y');
  const dx = heap.make(y.shape);
  heap.run('reluGradient', y, infoOf(inputs, 'dy'), dx, tf.util.sizeFromShape(y.shape));
  return dx;
}

/** Lets every ReLU's backward run the kernel ReluGrad, where the current backend has one. */
export function registerReluGradient(tf: TensorFlow): void {
  tf.unregisterGradient('Relu');
  tf.registerGradient({
    kernelName: 'Relu',
    outputsToSave: [true],
    gradFunc: (dy, saved) => {
      const [y] = saved;
      if (Array.isArray(dy) || y === undefined) throw new Error('ReLU has one output');
      const hasKernel = kernelOf(tf, 'ReluGrad', tf.getBackend()) !== undefined;
      return { x: () => (hasKernel ? tf.engine().runKernel('ReluGrad', { y, dy }) : tf.mul(dy, tf.step(y))) };
    },
  });
}

/** ReLU's gradient in one pass; tfjs composes it of three. */
import type { NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs';
import type { TensorFlow } from './backend.js';
import { floatsOf, infoOf, type Heap } from './heap.js';

/** dx = dy where y > 0, else 0. */
export function reluGradient(_tf: TensorFlow, heap: Heap, inputs: NamedTensorInfoMap): TensorInfo {
  const [yInfo, dyInfo] = [infoOf(inputs, 'y'), infoOf(inputs, 'dy')];
  const dxInfo = heap.makeOutput(yInfo.shape, 'float32');
  const [y, dy, dx] = [floatsOf(heap, yInfo), floatsOf(heap, dyInfo), floatsOf(heap, dxInfo)];
  for (let i = 0; i < dx.length; i++) dx[i] = (y[i] ?? 0) > 0 ? (dy[i] ?? 0) : 0;
  return dxInfo;
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
      const hasKernel = tf.getKernel('ReluGrad', tf.getBackend()) !== undefined;
      return { x: () => (hasKernel ? tf.engine().runKernel('ReluGrad', { y, dy }) : tf.mul(dy, tf.step(y))) };
    },
  });
}

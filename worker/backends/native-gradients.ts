/**
 * TensorFlow's own gradient of ReLU for the native backend. tfjs composes it of `step` and a product, several passes
 * over the data and one that looks for NaN; TensorFlow has it as one operation.
 */
import type { Tensor } from '@tensorflow/tfjs';
import type { TensorFlow } from './backend.js';

/** The one method of tfjs-node's backend that runs an operation of TensorFlow by its name. */
interface NativeExecutor {
  executeSingleOutput(name: string, attributes: readonly { name: string; type: number; value: unknown }[], inputs: readonly Tensor[]): Tensor;
  readonly binding: { readonly TF_ATTR_TYPE: number; readonly TF_FLOAT: number };
}

/** Replaces tfjs's gradient in the registry of the process; another backend, chosen later, gets the composition. */
export function registerNativeGradients(tf: TensorFlow): void {
  const native = tf.backend();
  if (!isExecutor(native)) throw new Error('the native backend cannot run operations by name: other bindings than tfjs-node 4.22?');
  tf.registerGradient({
    kernelName: 'Relu',
    outputsToSave: [true],
    gradFunc: (dy, [y]) => ({ x: () => (tf.backend() === native ? reluGradient(native, single(dy), single(y)) : tf.mul(single(dy), tf.step(single(y)))) }),
  });
}

/** dL/dx [as y] = dL/dy where y > 0, else 0. */
function reluGradient(native: NativeExecutor, dy: Tensor, y: Tensor): Tensor {
  const { TF_ATTR_TYPE, TF_FLOAT } = native.binding;
  return native.executeSingleOutput('ReluGrad', [{ name: 'T', type: TF_ATTR_TYPE, value: TF_FLOAT }], [dy, y]);
}

function isExecutor(backend: unknown): backend is NativeExecutor {
  return typeof backend === 'object' && backend !== null && typeof Reflect.get(backend, 'executeSingleOutput') === 'function';
}

function single(tensor: Tensor | Tensor[] | undefined): Tensor {
  if (tensor === undefined || Array.isArray(tensor)) throw new Error('ReLU has one output and one gradient');
  return tensor;
}

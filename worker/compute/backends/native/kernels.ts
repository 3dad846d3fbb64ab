/**
 * Gradients that TensorFlow or tfjs-node have slow, as faster kernels of the native backend with the same results.
 * ReLU: tfjs composes it of several passes over the data; TensorFlow has it as one operation. Max pooling on a CPU:
 * TensorFlow's own searches each window again, one element after the other; windows of 2x2 side by side, which most
 * models have, are faster as a few operations on whole tensors.
 */
import type { NamedAttrMap, NamedTensorInfoMap, Tensor, Tensor4D, TensorInfo } from '@tensorflow/tfjs';
import { isTensor, type TensorFlow } from '../backend.js';
import { registerReluGradient } from '../wasm/relu-gradient.js';

/** The part of tfjs-node's backend that runs an operation of TensorFlow by its name. */
interface NativeExecutor {
  executeSingleOutput(
    name: string,
    attributes: readonly { name: string; type: number; value: unknown }[],
    inputs: readonly Tensor[],
  ): Tensor;
  readonly binding: { readonly TF_ATTR_TYPE: number; readonly TF_FLOAT: number };
}

const backendName = 'tensorflow';

/** @param onGpu there cuDNN's gradient of max pooling is the fast one */
export function registerNativeKernels(tf: TensorFlow, onGpu: boolean): void {
  const native = tf.backend();
  if (!isExecutor(native))
    throw new Error('the native backend cannot run operations by name: other bindings than tfjs-node 4.22?');
  tf.registerKernel({
    kernelName: 'ReluGrad',
    backendName,
    kernelFunc: ({ inputs }) => execute(native, 'ReluGrad', [tensor(tf, inputs, 'dy'), tensor(tf, inputs, 'y')]),
  });
  registerReluGradient(tf);
  if (!onGpu) registerPoolGradient(tf, native);
}

function registerPoolGradient(tf: TensorFlow, native: NativeExecutor): void {
  const kernelName = 'MaxPoolGrad';
  const theirs = tf.getKernel(kernelName, backendName);
  tf.unregisterKernel(kernelName, backendName);
  tf.registerKernel({
    ...theirs,
    kernelFunc: (params) => {
      const { inputs, attrs = {} } = params;
      if (!isEvenPairs(inputs, attrs)) return theirs.kernelFunc(params);
      const [x, y, dy] = ['input', 'output', 'dy'].map((name) => tensor(tf, inputs, name));
      if (x === undefined || y === undefined || dy === undefined) throw new Error(`${kernelName}: has three inputs`);
      return tf.tidy(() => pairsGradient(tf, native, x, y, dy));
    },
  });
}

/** Windows of 2x2 at a distance of 2 that cover the image and nothing else. */
function isEvenPairs({ input }: NamedTensorInfoMap, { filterSize, strides }: NamedAttrMap): boolean {
  const isTwo = (value: unknown): boolean =>
    value === 2 || (Array.isArray(value) && value.length === 2 && value.every((one) => one === 2));
  const [, height = 1, width = 1] = input?.shape ?? [];
  return (
    input?.shape.length === 4 &&
    input.dtype === 'float32' &&
    height % 2 === 0 &&
    width % 2 === 0 &&
    isTwo(filterSize) &&
    isTwo(strides)
  );
}

/**
 * dx [b, h, w, c]: each window's dy goes to its first largest element, rows first, as in TensorFlow. Each of the four
 * places takes what is left of dy where it holds the window's maximum; what three leave is the last one's.
 */
function pairsGradient(tf: TensorFlow, native: NativeExecutor, x: Tensor, y: Tensor, dy: Tensor): Tensor {
  const [b = 0, h = 0, w = 0, c = 0] = x.shape;
  const windows: [number, number, number, number] = [(b * h) / 2, 1, w / 2, c];
  const pairs: Tensor4D = tf.reshape(x, [(b * h) / 2, 2, w / 2, 2 * c]);
  const largest = tf.reshape(y, windows);
  let left: Tensor = tf.reshape(dy, windows);
  const zero = tf.zerosLike(left);
  const places = (
    [
      [0, 0],
      [0, 1],
      [1, 0],
    ] as const
  ).map(([row, column]) => {
    const isLargest = tf.equal(tf.slice(pairs, [0, row, 0, column * c], windows), largest);
    const place = execute(native, 'Select', [isLargest, left, zero]);
    left = execute(native, 'Select', [isLargest, zero, left]);
    return place;
  });
  const rows = [tf.concat(places.slice(0, 2), 3), tf.concat([...places.slice(2), left], 3)];
  return tf.reshape(tf.concat(rows, 1), x.shape);
}

/** An operation on float32 whose one attribute is its type. */
function execute(native: NativeExecutor, name: string, inputs: readonly Tensor[]): Tensor {
  const { TF_ATTR_TYPE, TF_FLOAT } = native.binding;
  return native.executeSingleOutput(name, [{ name: 'T', type: TF_ATTR_TYPE, value: TF_FLOAT }], inputs);
}

function isExecutor(backend: unknown): backend is NativeExecutor {
  return (
    typeof backend === 'object' && backend !== null && typeof Reflect.get(backend, 'executeSingleOutput') === 'function'
  );
}

function tensor(tf: TensorFlow, inputs: NamedTensorInfoMap, name: string): Tensor {
  const input: TensorInfo | undefined = inputs[name];
  if (!isTensor(tf, input)) throw new Error(`kernel input ${name} is no tensor`);
  return input;
}

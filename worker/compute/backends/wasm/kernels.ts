/**
 * Kernels that training needs and the wasm backend lacks, or has only slow ones of: compositions of kernels that it
 * has, and SIMD loops over its memory. Each is a pure function of its inputs, checked against the tfjs cpu backend.
 */
import type { KernelFunc, NamedTensorInfoMap, Tensor, TensorInfo } from '@tensorflow/tfjs';
import { isTensor, kernelOf, type TensorFlow } from '../backend.js';
import { columnSums } from './column-sums.js';
import type { Composition } from './composition.js';
import { conv2dFilterGradient, conv2dInputGradient } from './conv2d-gradients.js';
import { depthwiseFilterGradient, depthwiseInputGradient } from './depthwise-gradients.js';
import { Heap, type HeapKernel } from './heap.js';
import { transposingMatMul } from './matmul.js';
import { normGradientKernelName, normKernelName } from '../norm.js';
import { normGradientKernel, normKernel } from './norm-kernels.js';
import { maxPoolGradient } from './pool-gradient.js';
import { registerReluGradient, reluGradient } from './relu-gradient.js';
import { unsortedSegmentSum } from './segment-sum.js';

const compositions: Readonly<Record<string, Composition>> = {
  Conv2DBackpropInput: conv2dInputGradient,
  DepthwiseConv2dNativeBackpropFilter: depthwiseFilterGradient,
  DepthwiseConv2dNativeBackpropInput: depthwiseInputGradient,
  UnsortedSegmentSum: unsortedSegmentSum,
};

const heapKernels: Readonly<Record<string, HeapKernel>> = {
  Conv2DBackpropFilter: conv2dFilterGradient,
  MaxPoolGrad: maxPoolGradient,
  ReluGrad: reluGradient,
  [normKernelName]: normKernel,
  [normGradientKernelName]: normGradientKernel,
};

/** Puts this project's kernels in place of those that tfjs's wasm backend has, in the process's one tfjs. */
export function registerWasmKernels(tf: TensorFlow): void {
  for (const [name, compose] of Object.entries(compositions)) {
    replace(
      tf,
      name,
      () =>
        ({ inputs, attrs }) =>
          handOver(
            tf,
            tf.tidy(() => compose(tf, tensorsOf(tf, inputs), attrs ?? {})),
          ),
    );
  }
  const heap = new Heap(tf.backend());
  for (const [name, kernel] of Object.entries(heapKernels))
    replace(
      tf,
      name,
      () =>
        ({ inputs, attrs }) =>
          kernel(tf, heap, inputs, attrs ?? {}),
    );
  replace(tf, 'BatchMatMul', (own) => transposingMatMul(tf, own));
  replace(tf, 'Sum', (own) => (args) => columnSums(tf, heap, args.inputs, args.attrs ?? {}) ?? own(args));
  registerReluGradient(tf);
}

/** Registers a kernel in the place of the backend's own, which it is given. */
function replace(tf: TensorFlow, kernelName: string, make: (own: KernelFunc) => KernelFunc): void {
  const own = kernelOf(tf, kernelName, 'wasm');
  if (own !== undefined) tf.unregisterKernel(kernelName, 'wasm');
  const missing: KernelFunc = () => {
    throw new Error(`the wasm backend has no ${kernelName}`);
  };
  // The old setup, where there is one, has run already, and runs again for a backend that is opened later.
  tf.registerKernel({ ...own, kernelName, backendName: 'wasm', kernelFunc: make(own?.kernelFunc ?? missing) });
}

/** The engine makes its own tensor of a kernel's result: ours is disposed of, its data stays. */
function handOver(tf: TensorFlow, result: Tensor): TensorInfo {
  const { dataId, shape, dtype } = result;
  tf.backend().incRef(dataId);
  result.dispose();
  return { dataId, shape, dtype };
}

function tensorsOf(tf: TensorFlow, inputs: NamedTensorInfoMap): Record<string, Tensor> {
  const tensors: Record<string, Tensor> = {};
  for (const [name, input] of Object.entries(inputs)) {
    if (!isTensor(tf, input)) throw new Error(`kernel input ${name} is no tensor`);
    tensors[name] = input;
  }
  return tensors;
}

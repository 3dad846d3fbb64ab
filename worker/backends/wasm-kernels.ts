/**
 * Kernels that training needs and the wasm backend lacks, as compositions of kernels that it has, registered for it.
 * Each is a pure function of its inputs, checked against the tfjs cpu backend.
 */
import type { NamedTensorInfoMap, Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import type { TensorFlow } from './backend.js';
import { conv2dFilterGradient } from './conv2d-gradients.js';
import { depthwiseFilterGradient, depthwiseInputGradient } from './depthwise-gradients.js';
import type { Composition } from './composition.js';
import { unsortedSegmentSum } from './segment-sum.js';

const compositions: Readonly<Record<string, Composition>> = {
  Conv2DBackpropFilter: conv2dFilterGradient,
  DepthwiseConv2dNativeBackpropFilter: depthwiseFilterGradient,
  DepthwiseConv2dNativeBackpropInput: depthwiseInputGradient,
  UnsortedSegmentSum: unsortedSegmentSum,
};

export function registerWasmKernels(tf: TensorFlow): void {
  for (const [kernelName, compose] of Object.entries(compositions)) {
    tf.registerKernel({
      kernelName,
      backendName: 'wasm',
      kernelFunc: ({ inputs, attrs }) => handOver(tf, tf.tidy(() => compose(tf, tensorsOf(tf, inputs), attrs ?? {}))),
    });
  }
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
    if (!(input instanceof tf.Tensor)) throw new Error(`kernel input ${name} is no tensor`);
    tensors[name] = input;
  }
  return tensors;
}

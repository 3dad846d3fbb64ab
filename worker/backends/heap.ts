/**
 * Kernels written as loops over the wasm backend's own memory: for passes over data that its kernels do slowly or not
 * at all. A view is good until the next allocation, which may move the memory.
 */
import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs';
import type { TensorFlow } from './backend.js';

/** The part of the wasm backend that such kernels use. */
export interface Heap {
  /** Allocates a tensor; its content is undefined. */
  makeOutput(shape: number[], dtype: 'float32'): TensorInfo;
  typedArrayFromHeap(info: TensorInfo): ArrayLike<number>;
}

export type HeapKernel = (tf: TensorFlow, heap: Heap, inputs: NamedTensorInfoMap, attrs: NamedAttrMap) => TensorInfo | TensorInfo[];

export function isHeap(backend: object): backend is Heap {
  return 'makeOutput' in backend && 'typedArrayFromHeap' in backend;
}

export function infoOf(inputs: NamedTensorInfoMap, name: string): TensorInfo {
  const found = inputs[name];
  if (found === undefined) throw new Error(`a kernel needs the input ${name}`);
  return found;
}

/** A float32 tensor's values, as a view. */
export function floatsOf(heap: Heap, info: TensorInfo): Float32Array {
  const values = heap.typedArrayFromHeap(info);
  if (!(values instanceof Float32Array)) throw new Error(`a kernel needs float32, not ${info.dtype}`);
  return values;
}

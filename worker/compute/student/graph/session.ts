/** Graphs as onnxruntime sessions, and tensors for them. */
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { elementsIn } from '../../../../shared/shape.js';
import type { KnownValue, OnnxModel } from '../../onnx/graph.js';
import { onnxRuntime } from '../../backends/onnxruntime/runtime.js';
import { createCpuSession, createSession } from '../../backends/onnxruntime/sessions.js';
import { writeOnnx } from '../../onnx/write.js';

/**
 * Opens a model in onnxruntime. The session is the caller's to release.
 * @param graphOptimizationLevel `disabled` for a graph that runs once, which the CPU does
 */
export async function openSession(
  model: OnnxModel,
  graphOptimizationLevel: 'all' | 'disabled' = 'all',
): Promise<InferenceSession> {
  return graphOptimizationLevel === 'disabled'
    ? createCpuSession(writeOnnx(model), { graphOptimizationLevel })
    : createSession(writeOnnx(model), 'the student');
}

/** Makes a tensor of zeros, or of float32 over the memory that it is given. */
export type MakeTensor = (value: KnownValue, memory?: Float32Array) => Tensor;

/** Makes tensors over memory of ours: onnxruntime reads inputs from it, and writes outputs into it. */
export async function tensorMaker(): Promise<MakeTensor> {
  const { Tensor: OnnxTensor } = await onnxRuntime();
  return ({ type, shape }, memory) => {
    const size = elementsIn(shape);
    switch (type) {
      case 'float32':
        return new OnnxTensor('float32', memory ?? new Float32Array(size), shape);
      case 'float64':
        return new OnnxTensor('float64', new Float64Array(size), shape);
      case 'int64':
        return new OnnxTensor('int64', new BigInt64Array(size), shape);
      case 'int32':
        return new OnnxTensor('int32', new Int32Array(size), shape);
      case 'bool':
        return new OnnxTensor('bool', new Uint8Array(size), shape);
      default:
        throw new Error(`a value of ${type} that a graph is given or gives`);
    }
  };
}

/** The values of a tensor of float64, which are its memory. */
export function doublesOf(tensor: Tensor): Float64Array {
  if (tensor.data instanceof Float64Array) return tensor.data;
  throw new Error(`a tensor of ${tensor.type}; float64 was wanted`);
}

/** The values of a tensor of float32, which are its memory. */
export function floatsOf(tensor: Tensor): Float32Array {
  if (tensor.data instanceof Float32Array) return tensor.data;
  throw new Error(`a tensor of ${tensor.type}; float32 was wanted`);
}

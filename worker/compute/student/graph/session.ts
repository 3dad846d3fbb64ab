/** Graphs as onnxruntime sessions: one thread, nodes in sequence, so that bits depend on nothing but inputs. */
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { elementsIn } from '../../../../shared/shape.js';
import type { KnownValue, OnnxModel } from '../../onnx/graph.js';
import { writeOnnx } from '../../onnx/write.js';

const options: InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  logSeverityLevel: 4,
};

/**
 * Opens a model in onnxruntime. The session is the caller's to release.
 * @param graphOptimizationLevel `disabled` for a graph that runs once
 */
export async function openSession(
  model: OnnxModel,
  graphOptimizationLevel: 'all' | 'disabled' = 'all',
): Promise<InferenceSession> {
  const { InferenceSession: Session } = await import('onnxruntime-node');
  return Session.create(writeOnnx(model), { ...options, graphOptimizationLevel });
}

/** Makes a tensor of zeros, or of float32 over the memory that it is given. */
export type MakeTensor = (value: KnownValue, memory?: Float32Array) => Tensor;

/** Makes tensors over memory of ours: onnxruntime reads inputs from it, and writes outputs into it. */
export async function tensorMaker(): Promise<MakeTensor> {
  const { Tensor: OnnxTensor } = await import('onnxruntime-node');
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

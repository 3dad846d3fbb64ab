/** What a student and tfjs teachers compute with. */
import type * as TensorFlowModule from '@tensorflow/tfjs';
import type { KernelConfig, Tensor, Variable } from '@tensorflow/tfjs';

/** The tfjs library with its backend chosen and ready. */
export type TensorFlow = typeof TensorFlowModule;

/** What tfjs runs on. */
export interface Backend {
  readonly name: 'wasm' | 'native';
  /** Name of the GPU; null where the CPU computes. */
  readonly gpu: string | null;
  /** Versions of the libraries that decide about bits. */
  readonly version: string;
  /** Loads tfjs, where nothing that computes with it has yet. */
  readonly openTensorFlow: () => Promise<TensorFlow>;
}

/** A backend whose tfjs is loaded. */
export interface OpenBackend extends Backend {
  readonly tf: TensorFlow;
}

/** tfjs' getKernel, whose declared type leaves out that there may be none. */
export function kernelOf(tf: TensorFlow, kernelName: string, backendName: string): KernelConfig | undefined {
  return tf.getKernel(kernelName, backendName);
}

/** `instanceof` makes a Tensor of any rank a `Tensor<any>`. */
export function isTensor(tf: TensorFlow, value: unknown): value is Tensor {
  return value instanceof tf.Tensor;
}

/** Whether a value is a variable of this tfjs. */
export function isVariable(tf: TensorFlow, value: unknown): value is Variable {
  return value instanceof tf.Variable;
}

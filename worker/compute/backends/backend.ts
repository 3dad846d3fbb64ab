/** What a student and tfjs teachers compute with. */
import type * as TensorFlowModule from '@tensorflow/tfjs';

/** The tfjs library with its backend chosen and ready. */
export type TensorFlow = typeof TensorFlowModule;

export interface Backend {
  readonly tf: TensorFlow;
  readonly name: 'wasm' | 'native';
  /** Name of the GPU; null where the CPU computes. */
  readonly gpu: string | null;
  /** Versions of the libraries that decide about bits. */
  readonly version: string;
}

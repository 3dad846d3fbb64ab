/** Opens the TensorFlow library that looking at a model needs. Nothing is loaded before a model needs it. */
import type { OpenTensorFlow } from '../../worker/compute/teachers/formats/teacher.js';

/** Opens tfjs on the wasm backend, which runs everything but SavedModels. */
export const openWasmTensorFlow: OpenTensorFlow = async () => {
  const { openWasm } = await import('../../worker/compute/backends/wasm/wasm.js');
  return (await openWasm()).tf;
};

/** Makes an opener of the native backend, which runs SavedModels. The opener rejects where it is not installed. */
export function nativeTensorFlow(threads: number): OpenTensorFlow {
  return async () => {
    const { openBackend } = await import('../../worker/compute/open/backend-choice.js');
    return (await openBackend('native', { threads, gpuDemanded: false })).openTensorFlow();
  };
}

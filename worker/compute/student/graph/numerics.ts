/** What the bits of a compiled student depend on, beside what it is given. */
import { onnxRuntime, provider } from '../../backends/onnxruntime/runtime.js';
import { processorKind } from '../../backends/processor.js';

/**
 * Such as `onnxruntime 1.30.0 on x64 with AVX-512`: onnxruntime chooses kernels by the processor's instruction sets. On a
 * GPU `onnxruntime 1.30.0 on CUDA, NVIDIA H200`.
 */
export async function compiledNumerics(): Promise<string> {
  const { env } = await onnxRuntime();
  const { name, gpu } = provider();
  const device = name === 'cuda' ? `CUDA, ${gpu ?? 'GPU'}` : processorKind();
  return `onnxruntime ${env.versions.node ?? env.versions.common} on ${device}`;
}

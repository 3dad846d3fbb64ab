/** What the bits of a compiled student depend on, beside what it is given. */
import { processorKind } from '../../backends/processor.js';

/** Such as `onnxruntime 1.30.0 on x64 with AVX-512`: onnxruntime chooses kernels by the processor's instruction sets. */
export async function compiledNumerics(): Promise<string> {
  const { env } = await import('onnxruntime-node');
  return `onnxruntime ${env.versions.node ?? env.versions.common} on ${processorKind()}`;
}

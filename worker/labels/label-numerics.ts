/** What the bits of a worker's labels depend on: its devices, and how many threads compute on them. */
import { provider } from '../compute/backends/onnxruntime/runtime.js';
import { processorKind } from '../compute/backends/processor.js';

/** Such as `wasm, x64 with AVX2` or `native, NVIDIA H200; onnxruntime on CUDA, NVIDIA H200`. */
export function labelNumerics(backend: { readonly name: string; readonly gpu: string | null }): string {
  const { name, gpu } = provider();
  const runtime = name === 'cuda' ? `; onnxruntime on CUDA, ${gpu ?? 'GPU'}` : '';
  return `${backend.name}, ${backend.gpu ?? processorKind()}${runtime}`;
}

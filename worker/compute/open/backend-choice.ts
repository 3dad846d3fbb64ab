/** Which backend a worker computes with. */
import { exitCodes, UserError } from '../../../shared/errors.js';
import { cacheFolder } from '../../../shared/cache-folder.js';
import type { Backend } from '../backends/backend.js';
import { visibleGpus } from '../backends/gpus.js';
import { openNative } from '../backends/native/native.js';
import { findInstalled, type Installed } from '../backends/native/folder.js';
import { openWasm } from '../backends/wasm/wasm.js';

export interface BackendWishes {
  /** Threads of a CPU device: part of a run's numerics. */
  readonly threads: number;
  /** The user told this worker to use a GPU: without one it must not start. */
  readonly gpuDemanded: boolean;
  readonly cache?: string;
  /** Told why `auto` passes over a native backend that is installed. */
  readonly warn?: (line: string) => void;
}

/**
 * Opens the backend that is wanted; `auto` takes the native one where it is installed and works, else wasm. A compiled
 * student (`onnx`) needs none; its teachers that are no ONNX models have wasm.
 * @throws UserError 79 when a GPU is demanded and there is none for us, 69 when the wanted backend is not there or
 * broken
 */
export async function openBackend(
  wanted: 'auto' | 'onnx' | 'wasm' | 'native',
  wishes: BackendWishes,
): Promise<Backend> {
  const { threads, gpuDemanded, cache = cacheFolder() } = wishes;
  if (wanted === 'wasm' && gpuDemanded) throw noGpu('the wasm backend uses none');
  if (wanted === 'onnx' && gpuDemanded)
    throw noGpu('compiled students run on the CPU; numerics.backend: native wanted');
  if (wanted === 'wasm' || wanted === 'onnx') return openWasm();
  const installed = pickInstalled(cache, gpuDemanded, visibleGpus().length > 0);
  if (installed === null) {
    if (gpuDemanded) throw noGpu('the native backend for it is not installed: run stillhouse backend install cuda');
    if (wanted === 'auto') return openWasm();
    throw new UserError(
      'the native backend is wanted and not installed: run stillhouse backend install cpu (or cuda)',
      exitCodes.unavailable,
    );
  }
  if (wanted === 'auto' && !gpuDemanded) return nativeOrWasm(installed, wishes);
  const backend = await openNative(installed, threads);
  if (gpuDemanded && backend.gpu === null) throw noGpu('TensorFlow found none it can use: stillhouse doctor tells why');
  return backend;
}

async function nativeOrWasm(
  installed: Installed,
  { threads, warn = (line) => void process.stderr.write(`${line}\n`) }: BackendWishes,
): Promise<Backend> {
  try {
    return await openNative(installed, threads);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    warn(`${error.message}; taking wasm`);
    return openWasm();
  }
}

/**
 * The CUDA build where there is a GPU, else the CPU build; either where only one is there, but CUDA alone for a
 * demanded GPU.
 */
export function pickInstalled(cache: string, gpuDemanded: boolean, hasGpu: boolean): Installed | null {
  const cuda = findInstalled(cache, 'cuda');
  if (gpuDemanded) return cuda;
  const cpu = findInstalled(cache, 'cpu');
  return hasGpu ? (cuda ?? cpu) : (cpu ?? cuda);
}

function noGpu(reason: string): UserError {
  return new UserError(`a GPU was demanded and this worker gets none: ${reason}`, exitCodes.noGpu);
}

/** Which backend a worker computes with. */
import { exitCodes, UserError } from '../../../shared/errors.js';
import { cacheFolder } from '../../../shared/cache-folder.js';
import type { Backend } from '../backends/backend.js';
import { visibleGpus, type Gpu } from '../backends/gpus.js';
import { openNative } from '../backends/native/native.js';
import { findInstalled, type Installed } from '../backends/native/folder.js';
import { findProvider } from '../backends/onnxruntime/folder.js';
import { openCuda, provider } from '../backends/onnxruntime/runtime.js';
import { tryProvider } from '../backends/onnxruntime/trial.js';
import { openWasm, wasm } from '../backends/wasm/wasm.js';

/** What a recipe or a flag names. */
export type WantedBackend = 'auto' | 'onnx' | 'wasm' | 'native';

export interface BackendWishes {
  /** Threads of a CPU device: part of a run's numerics. */
  readonly threads: number;
  /** The user told this worker to use a GPU: without one it must not start. */
  readonly gpuDemanded: boolean;
  readonly cache?: string;
  /** Told why `auto` passes over a native backend that is installed. */
  readonly warn?: (line: string) => void;
}

/** What was found out about a worker's GPU, before it knows its run. */
export interface GpuUse {
  /** There is one that it may use. */
  readonly hasGpu: boolean;
  /** The user told this worker to use it. */
  readonly isDemanded: boolean;
  /** Why ONNX Runtime does not compute on it; null where it does. */
  readonly objection: string | null;
}

/** The GPUs that workers of this machine are started for, one each. */
export function gpusFor(wanted: WantedBackend, cache: string = cacheFolder()): Gpu[] {
  if (wanted === 'wasm' || (wanted === 'onnx' && findProvider(cache) === null)) return [];
  return visibleGpus();
}

/**
 * Opens ONNX Runtime's CUDA provider where there is a GPU and it is installed: ONNX models and compiled students compute
 * on it then. To be called before the backend is opened.
 * @throws UserError 79 when a GPU is demanded and nothing else could compute on it
 */
export async function openProvider(wanted: WantedBackend, wishes: BackendWishes): Promise<GpuUse> {
  const { gpuDemanded: isDemanded, cache = cacheFolder(), warn = toStandardError } = wishes;
  if (wanted === 'wasm') return { hasGpu: false, isDemanded, objection: 'the wasm backend uses none' };
  const hasGpu = visibleGpus().length > 0;
  const objection = hasGpu ? await objectionToCuda(cache, { isDemanded, warn }) : 'the driver lists none';
  const isLast = wanted === 'onnx' || (wanted === 'auto' && findInstalled(cache, 'cuda') === null);
  if (objection !== null && isDemanded && isLast) throw noGpu(objection);
  return { hasGpu, isDemanded, objection };
}

async function objectionToCuda(
  cache: string,
  { isDemanded, warn }: { readonly isDemanded: boolean; readonly warn: (line: string) => void },
): Promise<string | null> {
  const installed = findProvider(cache);
  if (installed === null)
    return "ONNX Runtime's CUDA provider is not installed: run stillhouse backend install cuda --only onnx";
  const said = new Set<string>();
  const tell = (text: string): void => {
    if (isDemanded) throw noGpu(`of ${text}`);
    if (!said.has(text)) warn(`warning: ${text}`);
    said.add(text);
  };
  try {
    await openCuda(installed, { tell, tryOut: (runtime) => tryProvider(runtime, 'cuda') });
    return null;
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

/**
 * Opens the backend that is wanted; `auto` takes the native one where it is installed and works, else wasm. A compiled
 * student (`onnx`) needs none; wasm is there for its check, and is opened then.
 * @throws UserError 79 when a GPU is demanded and there is none for us, 69 when the wanted backend is not there or
 * broken
 */
export async function openBackend(wanted: WantedBackend, wishes: BackendWishes): Promise<Backend> {
  const { threads, cache = cacheFolder() } = wishes;
  if (wanted === 'wasm' && wishes.gpuDemanded) throw noGpu('the wasm backend uses none');
  // Where ONNX Runtime computes on it, whether all of a run does is known when the run is.
  const gpuDemanded = wishes.gpuDemanded && (wanted === 'native' || provider().name === 'cpu');
  if (wanted === 'onnx') return wasm();
  if (wanted === 'wasm') return openWasm();
  const installed = pickInstalled(cache, gpuDemanded, visibleGpus().length > 0);
  if (installed === null) {
    if (gpuDemanded) throw noGpu('the native backend for it is not installed: run stillhouse backend install cuda');
    if (wanted === 'auto') return wasm();
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
  { threads, warn = toStandardError }: BackendWishes,
): Promise<Backend> {
  try {
    return await openNative(installed, threads);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    warn(`${error.message}; taking wasm`);
    return wasm();
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

function toStandardError(line: string): void {
  process.stderr.write(`${line}\n`);
}

function noGpu(reason: string): UserError {
  return new UserError(`a GPU was demanded and this worker gets none: ${reason}`, exitCodes.noGpu);
}

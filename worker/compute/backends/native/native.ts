/**
 * The native backend: TensorFlow's own library under tfjs, through the bindings that `stillhouse backend install`
 * built. There is one tfjs in a process: the bindings get this program's own, so kernels, gradients and tensors are
 * shared. To be opened on the main thread: TensorFlow reads its settings from the process's real environment.
 */
import { counted } from '../../../../shared/counted.js';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { exitCodes, UserError } from '../../../../shared/errors.js';
import { loadTfjs } from '../tfjs.js';
import { keepChatter } from '../chatter.js';
import type { OpenBackend, TensorFlow } from '../backend.js';
import { visibleGpus } from '../gpus.js';
import type { Installed } from './folder.js';
import { registerNativeKernels } from './kernels.js';
import { savedModelsOf, type SavedModels } from './saved-models.js';

/** What the stub package `tfjs/` of an install hands out in place of a tfjs of its own. */
const sharedTfjs = Symbol.for('stillhouse.tfjs');

let opened: { readonly folder: string; readonly threads: number; readonly backend: Promise<OpenBackend> } | null = null;
let savedModels: SavedModels | null = null;

/** Opens it, once per process. @throws UserError when the bindings do not load or do not match this program's tfjs */
export function openNative(installed: Installed, threads: number): Promise<OpenBackend> {
  if (opened !== null && (opened.folder !== installed.folder || opened.threads !== threads)) {
    throw new Error(
      `the native backend is open already, from ${opened.folder} with ${counted(opened.threads, 'thread')}`,
    );
  }
  opened ??= { folder: installed.folder, threads, backend: load(installed, threads) };
  return opened.backend;
}

/** Calls for SavedModels; null while this backend is not open. */
export function openSavedModels(): SavedModels | null {
  return savedModels;
}

async function load(installed: Installed, threads: number): Promise<OpenBackend> {
  const tf = loadTfjs();
  checkVersions(tf, installed);
  setEnvironment(process.env, threads);
  restoreUtil();
  keepChatter();
  tf.enableProdMode();
  Reflect.set(globalThis, sharedTfjs, tf);
  requireBindings(installed);
  if (!(await tf.setBackend('tensorflow'))) throw unusable(installed, 'TensorFlow did not start');
  await tf.ready();
  const gpu = gpuName(tf);
  registerNativeKernels(tf, gpu !== null);
  savedModels = savedModelsOf(tf, installed.bindingFolder);
  return {
    tf,
    openTensorFlow: async () => tf,
    name: 'native',
    gpu,
    version: `tensorflow ${installed.tensorflow}, ${installed.flavour}, tfjs ${tf.version.tfjs}`,
  };
}

function requireBindings(installed: Installed): void {
  try {
    createRequire(join(installed.folder, 'package.json'))(installed.bindingFolder);
  } catch (error) {
    throw unusable(installed, error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error), error);
  }
}

function unusable({ flavour, folder }: Installed, reason: string, cause?: unknown): UserError {
  return new UserError(
    `native backend in ${folder}: ${reason}; run stillhouse backend install ${flavour} --force`,
    exitCodes.unavailable,
    cause,
  );
}

/** The bindings call into tfjs's kernels: both must be of one version. */
function checkVersions(tf: TensorFlow, installed: Installed): void {
  if (tf.version.tfjs === installed.binding) return;
  throw unusable(installed, `its bindings are for tfjs ${installed.binding}, this program's is ${tf.version.tfjs}`);
}

/**
 * TensorFlow's settings, before it is loaded. The number of threads is part of a run's numerics, so it is ours to set;
 * the rest makes CUDA repeat its bits and share its memory, unless the user says otherwise.
 */
export function setEnvironment(env: NodeJS.ProcessEnv, threads: number): void {
  env.TF_NUM_INTRAOP_THREADS = String(threads);
  env.TF_NUM_INTEROP_THREADS = '1';
  env.OMP_NUM_THREADS = String(threads);
  const defaults = {
    TF_CPP_MIN_LOG_LEVEL: '3',
    TF_FORCE_GPU_ALLOW_GROWTH: 'true',
    TF_DETERMINISTIC_OPS: '1',
    TF_CUDNN_USE_AUTOTUNE: '0',
    NVIDIA_TF32_OVERRIDE: '0',
    CUDA_CACHE_MAXSIZE: String(4 * 2 ** 30 - 1), // bytes; CUDA's default is too small for TensorFlow's kernels
  };
  for (const [name, value] of Object.entries(defaults)) env[name] ??= value;
}

/** The bindings call two functions of `util` that Node 23 removed. */
export function restoreUtil(util = createRequire(import.meta.url)('node:util') as Record<string, unknown>): void {
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  util.isArray ??= Array.isArray;
}

function gpuName(tf: TensorFlow): string | null {
  if (Reflect.get(tf.backend(), 'isUsingGpuDevice') !== true) return null;
  return visibleGpus().at(-1)?.name ?? 'GPU'; // with several visible the bindings use the last
}

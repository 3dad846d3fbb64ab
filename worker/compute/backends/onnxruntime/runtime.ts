/**
 * ONNX Runtime as this process uses it: the npm package, which computes on the CPU, or once `openCuda` has succeeded the
 * installation with the CUDA provider. There is one in a process; all sessions of students and teachers are its.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { exitCodes, UserError } from '../../../../shared/errors.js';
import { visibleGpus } from '../gpus.js';
import { runtimeFolder, type InstalledProvider } from './folder.js';
import { driverProblem, loadCudaLibraries } from './libraries.js';

/** The library. */
export type OnnxRuntime = typeof import('onnxruntime-node');

/** What computes the nodes of a session. */
export interface Provider {
  readonly name: 'cpu' | 'cuda';
  /** Name of the GPU; null where the CPU computes. */
  readonly gpu: string | null;
}

/** Told what a session that is opened on the GPU leaves to the CPU: `teacher wide: 2 of 40 nodes ...`. */
export type TellCpuPart = (text: string) => void;

interface OpenedCuda {
  readonly runtime: OnnxRuntime;
  readonly provider: Provider;
  readonly tell: TellCpuPart;
}

const cpu: Provider = { name: 'cpu', gpu: null };
let cuda: OpenedCuda | null = null;

/** The library of this process. */
export async function onnxRuntime(): Promise<OnnxRuntime> {
  return cuda?.runtime ?? import('onnxruntime-node');
}

/** What sessions of this process compute with. */
export function provider(): Provider {
  return cuda?.provider ?? cpu;
}

/** Where it is told what the CPU computes of a session on the GPU; null where the CPU computes all. */
export function cpuPartTeller(): TellCpuPart | null {
  return cuda?.tell ?? null;
}

/**
 * Makes the GPU compute this process's sessions, once `tryOut` has computed on it. To be called before any is opened,
 * and on the main thread: CUDA's libraries read their settings from the process's real environment.
 *
 * @throws UserError 69 when the provider does not load or does not compute: one line
 */
export async function openCuda(
  installed: InstalledProvider,
  { tell, tryOut }: { readonly tell: TellCpuPart; readonly tryOut: (runtime: OnnxRuntime) => Promise<void> },
): Promise<Provider> {
  if (cuda !== null) return cuda.provider;
  // Full float32 in products and convolutions, unless the user says otherwise.
  process.env.NVIDIA_TF32_OVERRIDE ??= '0';
  const problem = loadCudaLibraries(installed.folder);
  if (problem !== null) throw unusable(problem);
  const runtime = required(installed);
  // Its own words go to standard error; what goes wrong is thrown, and said in a line of this program's.
  runtime.env.logLevel = 'fatal';
  try {
    await tryOut(runtime);
  } catch (error) {
    throw unusable(driverProblem() ?? wordsOf(error), error);
  }
  cuda = { runtime, provider: { name: 'cuda', gpu: visibleGpus()[0]?.name ?? 'GPU' }, tell };
  return cuda.provider;
}

function required({ folder }: InstalledProvider): OnnxRuntime {
  try {
    return createRequire(join(folder, 'package.json'))(runtimeFolder(folder)) as OnnxRuntime;
  } catch (error) {
    throw unusable(wordsOf(error), error);
  }
}

function unusable(reason: string, cause?: unknown): UserError {
  return new UserError(`ONNX Runtime's CUDA provider does not work: ${reason}`, exitCodes.unavailable, cause);
}

/** What CUDA says stands in the middle of ONNX Runtime's words about its own sources. */
function wordsOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return /CUDA failure \d+: [^;\n]*[^;\s]/.exec(text)?.[0] ?? text.split('\n', 1)[0] ?? '';
}

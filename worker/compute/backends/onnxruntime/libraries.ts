/**
 * Loads CUDA's libraries by their paths, so that ONNX Runtime finds them: it asks the system for their names, and the
 * system gives what the process has loaded already. No environment variable has to be set before the process starts.
 */
import { constants } from 'node:os';
import { join } from 'node:path';

/** glibc's RTLD_NODELETE, which Node does not name: what is loaded stays, although it is no addon of Node's. */
const stays = 0x1000;

/** Each after those that it needs; paths in an installation. */
const cudaFiles = [
  ...['libcudart.so.13', 'libcublasLt.so.13', 'libcublas.so.13', 'libcurand.so.10', 'libcufft.so.12'],
  ...['libnvJitLink.so.13', 'libnvrtc.so.13'],
].map((name) => join('nvidia', 'cu13', 'lib', name));
const cudnnFiles = ['libcudnn_graph.so.9', 'libcudnn.so.9'].map((name) => join('nvidia', 'cudnn', 'lib', name));

/** NVIDIA's driver, which is the machine's own. */
const driver = 'libcuda.so.1';

/** Loads CUDA's libraries of an installation. @returns why the first one does not load that does not; else null */
export function loadCudaLibraries(folder: string): string | null {
  for (const file of [...cudaFiles, ...cudnnFiles]) {
    const problem = loadLibrary(join(folder, file));
    if (problem !== null) return problem;
  }
  return null;
}

/** Why the machine's driver does not load; null where it does. */
export function driverProblem(): string | null {
  return loadLibrary(driver);
}

/** Whether the driver, and nothing that is installed, is why the provider does not work. @param reason in words */
export function isDriverMissing(reason: string): boolean {
  return /libcuda\.so\.1|CUDA driver|no CUDA-capable device/.test(reason);
}

/** @returns the system's words where it does not load */
function loadLibrary(path: string): string | null {
  try {
    process.dlopen({ exports: {} }, path, constants.dlopen.RTLD_LAZY | constants.dlopen.RTLD_GLOBAL | stays);
    return null;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // Node looks for an addon in what it has loaded.
    return message.startsWith('Module did not self-register') ? null : message;
  }
}

/** Errors of a process that may not have the memory that it asks for, and what its user can do. */
import { readFileSync } from 'node:fs';
import { codeOf, exitCodes, UserError } from './errors.js';

const texts = /out of memory|could not allocate memory|cannot allocate wasm memory|array buffer allocation failed/i;
const codes = new Set(['ERR_WORKER_OUT_OF_MEMORY', 'ERR_WORKER_INIT_FAILED', 'ENOMEM']);

/** The error as one line for the user, exit code 69; null where it is another. */
export function memoryProblem(error: unknown): UserError | null {
  if (!(error instanceof Error) || !(texts.test(error.message) || codes.has(codeOf(error)))) return null;
  const [first = ''] = error.message.split('\n', 1);
  return new UserError(`memory: ${first}; ${memoryWish(addressSpaceLimit())}`, exitCodes.unavailable, error);
}

/** What a user may do for more memory. @param limit in bytes, of the address space; null for none */
export function memoryWish(limit: number | null): string {
  return limit === null
    ? 'more free memory was wanted'
    : `ulimit -v unlimited was wanted (now ${Math.floor(limit / 1024)}), or NODE_OPTIONS=--disable-wasm-trap-handler, since every WebAssembly memory takes 10 GiB of addresses else`;
}

/** How many bytes of addresses this process may use; null for any number, and where the system does not tell. */
export function addressSpaceLimit(): number | null {
  try {
    const [, limit = ''] = /^Max address space +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return /^\d+$/.test(limit) ? Number(limit) : null;
  } catch {
    return null;
  }
}

/** The error of a WebAssembly memory that cannot be had now; null where one can. */
export function triedMemory(): UserError | null {
  try {
    void new WebAssembly.Memory({ initial: 16, maximum: 65536, shared: true });
    return null;
  } catch (error) {
    return memoryProblem(error);
  }
}

/**
 * The shared WebAssembly memories that hold replicas. A memory is asked for once, at the size that it needs, and never
 * grows.
 */
import { exitCodes, UserError } from '../../errors.js';
import { memoryProblem } from '../../memory-problem.js';

const pageBytes = 65536;
/** The maximum that the kernels' module declares, 4 GiB: address space only, pages are real once touched. */
const maximumPages = 65536;
/** The largest memory that is given, in bytes: one page short of 4 GiB, so that an end pointer still fits 32 bits. */
export const maximumBytes = (maximumPages - 1) * pageBytes;

/**
 * A shared memory of at least so many bytes, all zero.
 *
 * @throws UserError 65 when one memory cannot hold them, 69 when the machine does not give them
 */
export function createMemory(bytes: number): WebAssembly.Memory {
  if (bytes > maximumBytes) {
    throw new UserError(
      `replica needs ${bytes} bytes of memory; one memory holds at most ${maximumBytes}`,
      exitCodes.data,
    );
  }
  const initial = Math.max(1, Math.ceil(bytes / pageBytes));
  try {
    return new WebAssembly.Memory({ initial, maximum: maximumPages, shared: true });
  } catch (cause) {
    const why = memoryProblem(cause)?.message ?? String(cause);
    throw new UserError(`replica: ${bytes} bytes cannot be had: ${why}`, exitCodes.unavailable, cause);
  }
}

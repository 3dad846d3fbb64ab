/** Reads files of any length into memory that is there already, without a copy beside it. */
import { closeSync, openSync, readSync } from 'node:fs';

/** Node reads at most 2 GiB less a byte at once. */
const mostBytes = 2 ** 30;

/**
 * Reads the bytes [at, at + target.length) of a file into `target`, which may be shared memory. It blocks.
 *
 * @throws Error when the file ends before; the system's error when it cannot be read
 */
export function readInto(path: string, target: Uint8Array, at = 0): void {
  const file = openSync(path, 'r');
  try {
    for (let done = 0; done < target.length;) {
      const read = readSync(file, target, done, Math.min(mostBytes, target.length - done), at + done);
      if (read === 0) throw new Error(`${path} ends at ${at + done}; ${at + target.length} bytes were wanted`);
      done += read;
    }
  } finally {
    closeSync(file);
  }
}

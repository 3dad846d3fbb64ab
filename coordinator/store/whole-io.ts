/** Reads and writes of a file that the system may cut short. */
import { writevSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

/** Fills `target` from the byte `at` of a file on. @returns how many bytes there were */
export async function readFully(file: FileHandle, target: Uint8Array, at: number): Promise<number> {
  let done = 0;
  while (done < target.length) {
    const { bytesRead } = await file.read(target, done, target.length - done, at + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

/** So few are written without another thread's help, which costs more than the copy. Syncing is what waits for the disk. */
const fewBytes = 64 * 1024;

/** Writes the pieces one after the other. Writes are cut short by the kernel above 2 GiB, and by a disk that is almost full. */
export async function writeFully(file: FileHandle, pieces: readonly Uint8Array[], at: number): Promise<void> {
  const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
  let written =
    total <= fewBytes ? writevSync(file.fd, [...pieces], at) : (await file.writev([...pieces], at)).bytesWritten;
  while (written < total) {
    const rest = after(pieces, written);
    written += (await file.writev(rest, at + written)).bytesWritten;
  }
}

function after(pieces: readonly Uint8Array[], skip: number): Uint8Array[] {
  let left = skip;
  return pieces.flatMap((piece) => {
    const cutAt = Math.min(left, piece.length);
    left -= cutAt;
    return cutAt < piece.length ? [piece.subarray(cutAt)] : [];
  });
}

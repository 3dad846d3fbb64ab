/**
 * The thread of a state copy: touches its memory, then writes what is there to each path that it is told. It runs when
 * nothing else wants to, and syncs every few pieces, so that the log's own syncs never wait behind a whole state.
 */
import { createHash } from 'node:crypto';
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { codeOf } from '../../shared/errors.js';

/** What the thread answers to each path: the SHA-256 of what it has written there, hexadecimal, or why it could not. */
export type Written =
  { readonly sha256: string } | { readonly sha256: null; readonly code: string | undefined; readonly message: string };

const port = parentPort;
if (port === null) throw new Error('state-thread.ts runs in a worker thread');
const memory = workerData as SharedArrayBuffer;
const bytes = new Uint8Array(memory);
const pageBytes = 4096;
const pieceBytes = 1024 * 1024;
const piecesPerSync = 16;

// The priority of this thread alone.
setPriority(0, constants.priority.PRIORITY_LOW);
port.on('message', (path: string) => port.postMessage(tryToWrite(path)));
// Adds nothing, and at once: the first copy may be under way.
for (let at = 0; at < bytes.length; at += pageBytes) Atomics.add(bytes, at, 0);

function tryToWrite(path: string): Written {
  try {
    return { sha256: write(path) };
  } catch (error) {
    return { sha256: null, code: codeOf(error), message: error instanceof Error ? error.message : String(error) };
  }
}

function write(path: string): string {
  const hash = createHash('sha256');
  const file = openSync(path, 'w');
  try {
    for (let at = 0, pieces = 1; at < bytes.length; pieces++) {
      const piece = bytes.subarray(at, at + pieceBytes);
      hash.update(piece);
      for (let end = at + piece.length; at < end;) at += writeSync(file, bytes, at, end - at);
      if (pieces % piecesPerSync === 0) fdatasyncSync(file);
    }
    fdatasyncSync(file);
  } finally {
    closeSync(file);
  }
  return hash.digest('hex');
}

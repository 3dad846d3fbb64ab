/**
 * A copy of the state, in memory of its own, from which a snapshot is written while training goes on. Training waits
 * for the copying alone: a large state has a thread of the lowest priority, which touches the memory before its first
 * use (that takes several times as long as to copy into it later), hashes it and writes it.
 */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { sha256Of } from '../../shared/sha256.js';
import type { StateSource } from './snapshots.js';
import type { Written } from './state-thread.js';
import { writeAside } from './durable-files.js';

/** Below, a state is hashed in less time than it takes to wake a thread and to hear from it: some 2 ms. */
const largeBytes = 4 * 1024 * 1024;

/** The source for a state that does not change while it is written. */
export function sourceOf(state: Uint8Array): StateSource {
  return {
    bytes: state,
    writeTo: async (path) => {
      await writeAside(path, [state]);
      return sha256Of(state);
    },
  };
}

/** Memory for one copy of a replica's state, which can be written to a file beside training. */
export class StateCopy implements StateSource {
  readonly bytes: Uint8Array;
  readonly #thread: Worker | null;

  constructor(length: number) {
    const memory = new SharedArrayBuffer(length);
    this.bytes = new Uint8Array(memory);
    this.#thread = length < largeBytes ? null : startThread(memory);
  }

  /** Copies the state here. Must not be called while the copy is being written. */
  take(state: Uint8Array): void {
    this.bytes.set(state);
  }

  async writeTo(path: string): Promise<string> {
    if (this.#thread === null) return sourceOf(this.bytes).writeTo(path);
    this.#thread.ref();
    this.#thread.postMessage(path);
    const [written] = (await once(this.#thread, 'message')) as [Written];
    this.#thread.unref();
    if (written.sha256 === null) throw Object.assign(new Error(written.message), { code: written.code });
    return written.sha256;
  }

  /** Ends the thread, where the copy has one. */
  async close(): Promise<void> {
    await this.#thread?.terminate();
  }
}

function startThread(memory: SharedArrayBuffer): Worker {
  const file = new URL('./state-thread.js', import.meta.url);
  if (!existsSync(fileURLToPath(file))) throw new Error(`${fileURLToPath(file)} is missing: run npm run build`);
  const thread = new Worker(file, { workerData: memory });
  thread.unref();
  return thread;
}

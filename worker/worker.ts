/**
 * The main thread of a worker process, one per device: opens the backend, starts the link's thread, and builds and runs
 * the trainer for each run that the link begins. It ends when the link says so, when it is asked to, or with its parent.
 */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { exitCodes, UserError, type ExitCode } from '../shared/errors.js';
import type { Device } from '../shared/protocol/messages.js';
import { coordinatorAddress } from './address.js';
import type { FetchArtifact, RunCompute } from './compute.js';
import { Desk } from './desk.js';
import { probe } from './probe.js';
import { train } from './trainer.js';
import { Control, type Begin, type LinkStart, type ToLink, type ToTrainer } from './trainer-messages.js';

/** What the worker computes with; `open` builds one run's student, teachers and data on it. */
export interface ComputeBackend {
  readonly name: 'wasm' | 'native';
  readonly gpu: string | null;
  readonly version: string;
  open(begin: Begin, fetch: FetchArtifact): Promise<RunCompute>;
}

export interface WorkerOptions {
  readonly url: string;
  readonly token: string | null;
  readonly cacheFolder: string;
  readonly threads: number;
  /** Ends with its parent: when standard input, which the parent holds, closes. */
  readonly local: boolean;
  /** Seconds without a coordinator, at the start or later, after which the worker gives up. */
  readonly waitSeconds: number;
  /** Aborted to leave in good order; `reason` is said to the coordinator. */
  readonly stop?: AbortSignal;
  readonly log: (line: string) => void;
  readonly backend: ComputeBackend;
}

/** The link's thread as seen from here. */
export interface LinkPort {
  post(message: ToLink): void;
  onMessage(listener: (message: ToTrainer) => void): void;
  /** Rejects when the thread fails; never resolves. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

/** Works until the run ends. @throws UserError with the reason and the exit code for it */
export async function runWorker(options: WorkerOptions, startLink: (start: LinkStart) => LinkPort = startLinkThread): Promise<ExitCode> {
  coordinatorAddress(options.url);
  const control = new Control();
  const { url, token, cacheFolder, waitSeconds } = options;
  const link = startLink({ url, token, cacheFolder, waitSeconds, device: deviceOf(options), control: control.buffer });
  const shell = new TrainerShell(options.backend, control, link);
  const leave = (reason: string): void => link.post({ type: 'leave', reason });
  const stopWatching = watchForTheEnd(options, leave);
  try {
    return await endOf(shell, link, options.log);
  } catch (error) {
    leave(error instanceof Error ? error.message : 'failed');
    throw error;
  } finally {
    stopWatching();
    await link.close();
    await shell.close();
  }
}

async function endOf(shell: TrainerShell, link: LinkPort, log: (line: string) => void): Promise<ExitCode> {
  const end = new Promise<Extract<ToTrainer, { type: 'end' }>>((resolve) => {
    link.onMessage((message) => {
      if (message.type === 'end') resolve(message);
      else if (message.type === 'log') log(message.text);
      else shell.hear(message);
    });
  });
  const { exitCode, message } = await Promise.race([end, link.failed, shell.failed]);
  if (exitCode !== exitCodes.done && exitCode !== exitCodes.stopped) throw new UserError(message ?? 'the worker ended', exitCode);
  if (message !== null) log(message);
  return exitCode;
}

function deviceOf({ backend, threads }: WorkerOptions): Device {
  return { backend: backend.name, gpu: backend.gpu, threads, host: hostname(), pid: process.pid, version: backend.version };
}

/** Leaves when asked to, or when the parent is gone. */
function watchForTheEnd({ stop, local }: WorkerOptions, leave: (reason: string) => void): () => void {
  const onStop = (): void => leave(`stopped (${String(stop?.reason)})`);
  const onOrphaned = (): void => leave('its parent process ended');
  if (stop?.aborted === true) onStop();
  stop?.addEventListener('abort', onStop);
  if (local) {
    process.stdin.on('end', onOrphaned).on('close', onOrphaned).resume();
    process.on('disconnect', onOrphaned);
  }
  return () => {
    stop?.removeEventListener('abort', onStop);
    process.off('disconnect', onOrphaned);
    if (local) process.stdin.off('end', onOrphaned).off('close', onOrphaned).pause();
  };
}

function startLinkThread(start: LinkStart): LinkPort {
  const file = new URL('./link-thread.js', import.meta.url);
  if (!existsSync(fileURLToPath(file))) throw new Error(`${fileURLToPath(file)} is missing: run npm run build`);
  const thread = new Worker(file, { workerData: start });
  const failed = new Promise<never>((_resolve, reject) => {
    thread.on('error', reject).on('exit', (code) => reject(new Error(`the link's thread ended (${code})`)));
  });
  failed.catch(() => undefined);
  return {
    post: (message) => thread.postMessage(message),
    onMessage: (listener) => void thread.on('message', listener),
    failed,
    close: () => ended(thread),
  };
}

/** The thread says its last words (a `leave`) first, if it can. */
async function ended(thread: Worker): Promise<void> {
  const graceMs = 3000;
  const exit = once(thread, 'exit');
  const timer = setTimeout(() => void thread.terminate(), graceMs);
  if (thread.threadId !== -1) await exit;
  clearTimeout(timer);
}

/** Builds and runs one run's trainer after the other. */
class TrainerShell {
  /** Rejects when a trainer fails; never resolves. */
  readonly failed: Promise<never>;
  readonly #backend: ComputeBackend;
  readonly #control: Control;
  readonly #link: LinkPort;
  readonly #fetches = new Map<string, { readonly resolve: (path: string) => void; readonly reject: (error: unknown) => void }[]>();
  #desk: Desk | null = null;
  #previous: Promise<void> = Promise.resolve();
  #fail: (error: unknown) => void = () => undefined;

  constructor(backend: ComputeBackend, control: Control, link: LinkPort) {
    this.#backend = backend;
    this.#control = control;
    this.#link = link;
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject;
    });
  }

  hear(message: Exclude<ToTrainer, { type: 'end' | 'log' }>): void {
    if (message.type === 'begin') this.#begin(message);
    else if (message.type === 'fetched') this.#settle(message.sha256, (waiter) => waiter.resolve(message.path));
    else if (message.type === 'fetchFailed') this.#settle(message.sha256, (waiter) => waiter.reject(new UserError(message.message, message.exitCode)));
    else this.#desk?.hear(message);
  }

  /** Ends the trainer after its micro-batch and frees its models. What fails on the way out is of no use to anyone. */
  async close(): Promise<void> {
    this.#desk?.queue.close();
    for (const sha256 of [...this.#fetches.keys()]) this.#settle(sha256, (waiter) => waiter.reject(new Error('the link has ended')));
    await this.#previous.catch(() => undefined);
  }

  /** The desk takes messages from now on; the run's trainer starts when the one before it has ended. */
  #begin(begin: Begin): void {
    this.#desk?.queue.close();
    const desk = new Desk(begin, this.#control, (message) => this.#link.post(message));
    this.#desk = desk;
    this.#previous = this.#previous.then(() => this.#work(begin, desk));
    this.#previous.catch((error: unknown) => this.#fail(error));
  }

  async #work(begin: Begin, desk: Desk): Promise<void> {
    if (desk.queue.isClosed) return;
    const { recipe, manifest, initialPath, session } = begin;
    checkBackend(recipe.numerics.backend, this.#backend.name);
    const compute = await this.#backend.open(begin, (sha256) => this.#fetch(sha256));
    try {
      const slot = begin.trainerSlots[0] ?? 0;
      const { digest, repeatable } = await probe({ compute, recipe, manifest, initialPath, replica: desk.replica, slot });
      this.#link.post({ type: 'built', session, digest, repeatable });
      await train({ desk, compute, recipe });
    } finally {
      await compute.dispose();
    }
  }

  #fetch(sha256: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const waiters = this.#fetches.get(sha256);
      if (waiters !== undefined) return void waiters.push({ resolve, reject });
      this.#fetches.set(sha256, [{ resolve, reject }]);
      this.#link.post({ type: 'fetch', sha256 });
    });
  }

  #settle(sha256: string, settle: (waiter: { readonly resolve: (path: string) => void; readonly reject: (error: unknown) => void }) => void): void {
    const waiters = this.#fetches.get(sha256) ?? [];
    this.#fetches.delete(sha256);
    waiters.forEach(settle);
  }
}

function checkBackend(wanted: 'auto' | 'wasm' | 'native', opened: 'wasm' | 'native'): void {
  if (wanted === 'auto' || wanted === opened) return;
  throw new UserError(`this worker's backend is ${opened}, the recipe wants ${wanted}: start the worker with --backend ${wanted}`, exitCodes.refused);
}

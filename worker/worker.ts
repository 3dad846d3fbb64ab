/**
 * The main thread of a worker process, one per device: opens the backend, starts the link's thread, and builds and runs
 * the trainer for each run that the link begins. It ends when the link says so, when it is asked to, or with its
 * parent.
 */
import type { EndedBefore } from '../shared/protocol/ended-before.js';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { exitCodes, UserError, type ExitCode } from '../shared/errors.js';
import { memoryProblem } from '../shared/memory-problem.js';
import type { Device } from '../shared/protocol/messages.js';
import type { WorkerTls } from '../shared/tls/certificates.js';
import { CoordinatorClient } from './link/coordinator-client.js';
import type { ComputeBackend } from './compute/contract.js';
import { parentEnded, watchParent } from './parent.js';
import { TrainerShell, type LinkPort } from './trainer/shell.js';
import { Control } from './threads/control.js';
import type { LinkStart, LogPlace, ToLink, ToTrainer } from './threads/messages.js';

export interface WorkerOptions {
  readonly url: string;
  /** Addresses to go to, in this order, where that one is lost or refuses; absent: none. */
  readonly further?: readonly string[] | undefined;
  readonly token: string | null;
  /** Absent: what the address says alone. */
  readonly tls?: WorkerTls | undefined;
  readonly cacheFolder: string;
  readonly threads: number;
  /** Whether it ends with its parent. */
  readonly local: boolean;
  /** Seconds without a coordinator, at the start or later, after which the worker gives up. */
  readonly waitSeconds: number;
  /** Where files lie that are shared with a coordinator of this host; absent or null: none are. */
  readonly memoryFolder?: string | null;
  /** Aborted to leave in good order; `reason` is said to the coordinator. */
  readonly stop?: AbortSignal;
  /** Gets each line, and where the worker stands. */
  readonly log: (line: string, place?: LogPlace) => void;
  /** What this process has said last, line by line, for the coordinator where it fails. */
  readonly lastLines?: () => readonly string[];
  /** How the process before this one was killed, for the coordinator; absent or null: it was not. */
  readonly before?: EndedBefore | null;
  readonly backend: ComputeBackend;
}

/** Works until the run ends. @throws UserError with the reason and the exit code for it */
export async function runWorker(
  options: WorkerOptions,
  startLink: (start: LinkStart) => LinkPort = startLinkThread,
): Promise<ExitCode> {
  // A wrong address is said before anything starts.
  new CoordinatorClient(options);
  const control = new Control();
  const { url, further, token, tls, cacheFolder, waitSeconds, memoryFolder = null } = options;
  const link = startLink({
    url,
    further,
    token,
    tls,
    cacheFolder,
    waitSeconds,
    memoryFolder,
    device: deviceOf(options),
    before: options.before ?? null,
    plugins: options.backend.plugins ?? {},
    control: control.buffer,
  });
  const tellLines = (): void => link.post({ type: 'said', lines: [...(options.lastLines?.() ?? [])] });
  tellLines();
  const shell = new TrainerShell(options.backend, control, link);
  const leave = (reason: string): void => link.post({ type: 'leave', reason });
  const stopWatching = watchForTheEnd(options, leave);
  try {
    return await endOf(shell, link, (line, place) => {
      options.log(line, place);
      tellLines();
    });
  } catch (error) {
    link.post(lastWords(error, options.lastLines?.() ?? []));
    throw error;
  } finally {
    stopWatching();
    await link.close();
    await shell.close();
  }
}

async function endOf(shell: TrainerShell, link: LinkPort, log: WorkerOptions['log']): Promise<ExitCode> {
  const end = new Promise<Extract<ToTrainer, { type: 'end' }>>((resolve) => {
    link.onMessage((message) => {
      if (message.type === 'end') resolve(message);
      else if (message.type === 'log') log(message.text, message.place);
      else shell.hear(message);
    });
  });
  const { exitCode, message } = await Promise.race([end, link.failed, shell.failed]);
  if (exitCode !== exitCodes.done && exitCode !== exitCodes.stopped)
    throw new UserError(message ?? 'the worker ended', exitCode);
  if (message !== null) log(message);
  return exitCode;
}

/** What the coordinator is told of a failure: why, what this process ends with, and what it said last. */
function lastWords(error: unknown, lines: readonly string[]): Extract<ToLink, { type: 'leave' }> {
  const known = error instanceof UserError ? error : memoryProblem(error);
  const { message, stack = '' } = error instanceof Error ? error : new Error(String(error));
  const trace = known === null ? stack.split('\n').slice(1, 6) : [];
  const reason = known?.message ?? message;
  const failure = { code: known?.exitCode ?? exitCodes.bug, lines: [...lines, ...trace] };
  return { type: 'leave', reason: reason === '' ? 'failed' : reason, failure };
}

function deviceOf({ backend, threads }: WorkerOptions): Device {
  return {
    backend: backend.name,
    gpu: backend.gpu,
    provider: backend.provider,
    threads,
    host: hostname(),
    pid: process.pid,
    version: backend.version,
  };
}

/** Leaves when asked to, or when the parent is gone. @returns a function that stops watching */
function watchForTheEnd({ stop, local }: WorkerOptions, leave: (reason: string) => void): () => void {
  const onStop = (): void => leave(`stopped (${String(stop?.reason)})`);
  if (stop?.aborted === true) onStop();
  stop?.addEventListener('abort', onStop);
  const stopWatching = local ? watchParent(() => leave(parentEnded)) : null;
  return () => {
    stop?.removeEventListener('abort', onStop);
    stopWatching?.();
  };
}

function startLinkThread(start: LinkStart): LinkPort {
  const file = new URL('./link/thread.js', import.meta.url);
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

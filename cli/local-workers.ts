/** The workers that a verb starts on this machine beside its own coordinator, and ends with it. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import type { PreparedRun } from '../coordinator/plan/prepared-run.js';
import type { LocalWorkers, WorkerFailure } from '../coordinator/workers/local-workers.js';
import type { BackendName, LocalFlags } from './options.js';
import { say } from './output.js';
import { thisProgram } from './this-program.js';

/** Starts some workers, once there is a port of a coordinator on this machine. */
export type StartWorkers = (port: number) => LocalWorkers;

/** What the workers of this machine are told. */
interface OwnWorkers {
  readonly token: string | null;
  readonly role: 'train' | 'label';
  /** How they reach a coordinator with TLS: what stands behind its address, and flags; absent: plainly. */
  readonly tls?: { readonly query: string; readonly flags: readonly string[] } | undefined;
}

/**
 * Prepares the start of workers: as many as `flags.workers` says, else one for each GPU that the backend can use, else
 * one for each core (for each `numerics.threads` cores).
 * @param token the join token, which the workers get through their environment; null: they need none
 */
export async function planWorkers(
  run: PreparedRun,
  flags: LocalFlags,
  { token, role, tls }: OwnWorkers,
): Promise<StartWorkers> {
  const { LocalWorkers } = await import('../coordinator/workers/local-workers.js');
  const { gpusFor } = await import('../worker/compute/open/backend-choice.js');
  const { threads } = run.recipe.numerics;
  const backend = backendOf(run, flags);
  const gpus = gpusFor(backend !== 'wasm' && run.student.engine === 'onnx' ? 'onnx' : backend);
  const perMachine = gpus.length > 0 ? gpus.length : Math.max(1, Math.floor(availableParallelism() / threads));
  const plugins = (flags.plugin ?? []).flatMap((file) => ['--plugin', resolve(file)]);
  const trust = flags.trustModels === true ? ['--trust-models'] : [];
  const encrypted = tls?.flags ?? [];
  const memory = flags.memoryFolder === undefined ? [] : ['--memory-folder', flags.memoryFolder ?? 'none'];
  return (port) =>
    new LocalWorkers({
      command: thisProgram,
      url: tls === undefined ? `ws://127.0.0.1:${port}` : `wss://127.0.0.1:${port}?${tls.query}`,
      token,
      count: flags.workers ?? perMachine,
      arguments: [
        '--backend',
        backend,
        '--threads',
        String(threads),
        '--role',
        role,
        ...plugins,
        ...trust,
        ...encrypted,
        ...memory,
      ],
      environment: (i) => (gpus.length === 0 ? {} : { CUDA_VISIBLE_DEVICES: gpus[i % gpus.length]?.uuid ?? String(i) }),
      onLine: (line, worker) =>
        flags.quiet === true ? undefined : say(line, { from: `worker ${worker}`, worker: String(worker) }),
      onFirstFailure: sayFirstFailure,
    });
}

/** All that the first one said last: others have failed after it, and said theirs in between. */
function sayFirstFailure({ worker, code, lines }: WorkerFailure): void {
  if (lines.length < 2) return;
  const about = { from: `worker ${worker}`, worker: String(worker) };
  say(`was the first to fail (${code ?? 'killed'}); what it said last:`, about);
  for (const line of lines) say(`  ${line}`, about);
}

/** What local workers are told: with nothing but ONNX graphs to compute, they need not look for TensorFlow. */
function backendOf({ recipe, student, teachers }: PreparedRun, { backend }: LocalFlags): BackendName {
  const wanted = backend ?? recipe.numerics.backend;
  const isAllOnnx =
    student.engine === 'onnx' && teachers.every(({ format, served }) => format === 'onnx' || served !== undefined);
  return wanted === 'auto' && isAllOnnx ? 'onnx' : wanted;
}

/** How long workers may take to end by themselves, in milliseconds: after good work, and after a failure. */
const graceMs = { done: 5000, failed: 2000 };

/** What the work beside local workers gets. */
export interface Beside {
  /** Starts the workers. To be called once the coordinator listens; a second call does nothing. */
  readonly start: (port: number) => void;
  /** Rejects when no worker of a kind that is needed is left that could still do anything. */
  readonly lost: Promise<never>;
}

/**
 * Does a coordinator's work beside local workers, and ends them with it, whether it succeeds or fails.
 * @param kinds how each kind of worker is started
 * @param needed the work is lost with all workers of one of so many kinds, the first ones
 */
export async function besideWorkers<T>(
  kinds: readonly StartWorkers[],
  work: (beside: Beside) => Promise<T>,
  needed = 1,
): Promise<T> {
  let started: readonly LocalWorkers[] | null = null;
  let fail: (error: Error) => void = () => undefined;
  const lost = new Promise<never>((_, reject) => {
    fail = reject;
  });
  lost.catch(() => undefined);
  const start = (port: number): void => {
    if (started !== null) return;
    started = kinds.map((startKind) => startKind(port));
    for (const workers of started.slice(0, needed)) workers.whenLost().catch(fail);
  };
  const close = (ms: number): Promise<unknown> => Promise.all((started ?? []).map((workers) => workers.close(ms)));
  try {
    const result = await work({ start, lost });
    await close(graceMs.done);
    return result;
  } finally {
    await close(graceMs.failed);
  }
}

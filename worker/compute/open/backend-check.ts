/**
 * Whether a worker's backend is one that the run can be computed on, and what of its command line does nothing in it.
 * Said when it joins, before anything is opened. Pure.
 */
import { exitCodes, UserError } from '../../../shared/errors.js';
import type { TeacherSpec } from '../../../shared/protocol/messages.js';
import type { Backend } from '../backends/backend.js';
import type { CommandLine } from '../contract.js';
import { formatNamed } from '../teachers/teacher-formats.js';

export interface BackendNeeds {
  /** `numerics.backend` of the recipe. */
  readonly wanted: 'auto' | 'onnx' | 'wasm' | 'native';
  /** The engine of the run's student; null for a worker that computes none. */
  readonly engine: 'tfjs' | 'onnx' | null;
  /** The teachers that this worker runs. */
  readonly teachers: readonly Pick<TeacherSpec, 'name' | 'format'>[];
}

/** The backend of a worker, and what its command line asks of it. */
export interface WorkerBackend extends Pick<Backend, 'name'> {
  readonly commandLine?: CommandLine;
}

/**
 * @throws UserError 77 when the run wants another backend or number of threads, or a teacher does, or its format is
 * unknown here
 */
export function checkBackend(
  { name: opened, commandLine: { threads = 1 } = {} }: WorkerBackend,
  { wanted, engine, teachers }: BackendNeeds,
): void {
  if (engine === 'onnx' && threads !== 1)
    throw new UserError(
      `this worker has --threads ${threads}, and the run's student is compiled, for one thread of each worker: 1 and more workers were wanted`,
      exitCodes.refused,
    );
  if (wanted !== 'auto' && wanted !== 'onnx' && wanted !== opened)
    throw unsuited(opened, `the recipe wants ${wanted}`, wanted);
  for (const { name, format } of teachers) {
    const { needsNative, title } = formatNamed(format, name);
    if (needsNative && opened !== 'native') throw unsuited(opened, `teacher ${name} is ${title}`, 'native');
  }
}

/** What the command line asks for and this run does not use: a line each. */
export function remarksOnBackend(
  { name, commandLine = {} }: WorkerBackend,
  { engine }: Pick<BackendNeeds, 'engine'>,
): string[] {
  const { backend = 'auto' } = commandLine;
  if (engine === 'tfjs' && backend === 'onnx')
    return [`--backend onnx: the run's student is not compiled; TensorFlow.js on ${name} computes it`];
  if (engine !== 'onnx') return [];
  if (backend === 'wasm' || backend === 'native')
    return [
      `--backend ${backend}: the run's student is compiled, so onnxruntime computes it, and ${backend} only what has no form in ONNX`,
    ];
  return [];
}

function unsuited(opened: string, reason: string, wish: string): UserError {
  return new UserError(
    `this worker's backend is ${opened}, ${reason}: start the worker with --backend ${wish}`,
    exitCodes.refused,
  );
}

/** Whether a worker's backend is one that the run can be computed on. Said when it joins, before anything is opened. */
import { exitCodes, UserError } from '../../../shared/errors.js';
import type { TeacherSpec } from '../../../shared/protocol/messages.js';
import type { Backend } from '../backends/backend.js';
import { formatNamed } from '../teachers/teacher-formats.js';

export interface BackendNeeds {
  /** `numerics.backend` of the recipe. */
  readonly wanted: 'auto' | 'onnx' | 'wasm' | 'native';
  /** The engine of the run's student. */
  readonly engine: 'tfjs' | 'onnx';
  /** The teachers that this worker runs. */
  readonly teachers: readonly Pick<TeacherSpec, 'name' | 'format'>[];
}

/**
 * @throws UserError 77 when the run wants another backend, or a teacher does, or its format is unknown here, 79 when the
 * worker's GPU would do nothing
 */
export function checkBackend(
  { name: opened, gpu }: Pick<Backend, 'name' | 'gpu'>,
  { wanted, engine, teachers }: BackendNeeds,
): void {
  if (engine === 'onnx' && gpu !== null)
    throw new UserError(
      `this worker computes on ${gpu}, and the run's student is compiled for the CPU; numerics.backend: native was wanted`,
      exitCodes.noGpu,
    );
  if (wanted !== 'auto' && wanted !== 'onnx' && wanted !== opened)
    throw unsuited(opened, `the recipe wants ${wanted}`, wanted);
  for (const { name, format } of teachers) {
    const { needsNative, title } = formatNamed(format, name);
    if (needsNative && opened !== 'native') throw unsuited(opened, `teacher ${name} is ${title}`, 'native');
  }
}

function unsuited(opened: string, reason: string, wish: string): UserError {
  return new UserError(
    `this worker's backend is ${opened}, ${reason}: start the worker with --backend ${wish}`,
    exitCodes.refused,
  );
}

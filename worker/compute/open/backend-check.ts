/** Whether a worker's backend is one that the run can be computed on. Said when it joins, before anything is opened. */
import { exitCodes, UserError } from '../../../shared/errors.js';
import type { TeacherSpec } from '../../../shared/protocol/messages.js';
import { formatNamed } from '../teachers/teacher-formats.js';

export interface BackendNeeds {
  /** `numerics.backend` of the recipe. */
  readonly wanted: 'auto' | 'wasm' | 'native';
  /** The teachers that this worker runs. */
  readonly teachers: readonly Pick<TeacherSpec, 'name' | 'format'>[];
}

/** @throws UserError 77 when the run wants another backend, or a teacher does, or its format is unknown here */
export function checkBackend(opened: 'wasm' | 'native', { wanted, teachers }: BackendNeeds): void {
  if (wanted !== 'auto' && wanted !== opened) throw unsuited(opened, `the recipe wants ${wanted}`, wanted);
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

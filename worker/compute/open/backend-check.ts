/** Whether a worker's backend is one that the run can be computed on. Said when it joins, before anything is opened. */
import { exitCodes, UserError } from '../../../shared/errors.js';
import type { TeacherSpec } from '../../../shared/protocol/messages.js';

export interface BackendNeeds {
  /** `numerics.backend` of the recipe. */
  readonly wanted: 'auto' | 'wasm' | 'native';
  /** Those that this worker runs. */
  readonly teachers: readonly Pick<TeacherSpec, 'name' | 'format'>[];
}

/** @throws UserError 77 */
export function checkBackend(opened: 'wasm' | 'native', { wanted, teachers }: BackendNeeds): void {
  if (wanted !== 'auto' && wanted !== opened) throw unsuited(opened, `the recipe wants ${wanted}`, wanted);
  const saved = teachers.find(({ format }) => format === 'saved-model');
  if (saved !== undefined && opened !== 'native')
    throw unsuited(opened, `teacher ${saved.name} is a SavedModel`, 'native');
}

function unsuited(opened: string, reason: string, wish: string): UserError {
  return new UserError(
    `this worker's backend is ${opened}, ${reason}: start the worker with --backend ${wish}`,
    exitCodes.refused,
  );
}

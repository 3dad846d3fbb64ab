/** Whose failure an error is: what goes wrong while a teacher is at work is that teacher's, and data, not a bug. */
import { exitCodes, UserError } from '../../../shared/errors.js';
import { TeacherFailure } from '../contract.js';
import { firstLine } from './formats/model-errors.js';

/** Turns what a teacher threw while it was at work into its failure: one line that has its name once. */
export function teacherFailure(teacher: string, error: unknown): TeacherFailure {
  const text = error instanceof Error ? error.message : String(error);
  return error instanceof TeacherFailure
    ? error
    : new TeacherFailure(teacher, firstLine(text.replace(`teacher ${teacher}: `, '')), error);
}

/**
 * Runs `work` of one teacher.
 *
 * @throws TeacherFailure for whatever it throws, but as they are a UserError 2, which is about the recipe, and a
 * UserError 79, which is about this worker's GPU
 */
export async function blaming<T>(teacher: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isOthers =
      error instanceof UserError && (error.exitCode === exitCodes.usage || error.exitCode === exitCodes.noGpu);
    throw isOthers ? error : teacherFailure(teacher, error);
  }
}

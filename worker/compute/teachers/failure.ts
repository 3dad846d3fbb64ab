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
 * UserError 79, which is about this worker's GPU; of a teacher on a server also a 69 and a 77, which are about the server:
 * it may be back soon, and a 75, since nobody waits for its answer any more
 */
export async function blaming<T>(
  { name, isServed }: { readonly name: string; readonly isServed: boolean },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const others: readonly number[] = [
      ...[exitCodes.usage, exitCodes.noGpu],
      ...(isServed ? [exitCodes.unavailable, exitCodes.refused, exitCodes.stopped] : []),
    ];
    throw error instanceof UserError && others.includes(error.exitCode) ? error : teacherFailure(name, error);
  }
}

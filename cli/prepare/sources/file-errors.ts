/** Errors about the user's files, in the words and with the exit codes that they have everywhere. Pure. */
import { codeOf, exitCodes, readProblem, UserError } from '../../../shared/errors.js';

/** What a failed attempt to read means to the user: exit code 2 where there is no such file, 65 otherwise. */
export function fileError(path: string, error: unknown): UserError {
  if (['ENOENT', 'ENOTDIR'].includes(codeOf(error)))
    return new UserError(`${path}: no such file; one that is there was wanted`, exitCodes.usage, error);
  return damaged(path, `${readProblem(error)}; a file that can be read was wanted`, error);
}

/** An error with exit code 65 for a file with contents that cannot be used. */
export function damaged(path: string, text: string, cause?: unknown): UserError {
  return new UserError(`${path}: ${text}`, exitCodes.data, cause);
}

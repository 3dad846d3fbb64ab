/** Errors about the user's files, in the words and with the exit codes that they have everywhere. Pure. */
import { codeOf, exitCodes, UserError } from '../../../shared/errors.js';

/** What a failed attempt to read means to the user: exit code 2 where there is no such file, 65 otherwise. */
export function fileError(path: string, error: unknown): UserError {
  const code = codeOf(error);
  if (code === 'ENOENT') return new UserError(`${path}: no such file`, exitCodes.usage, error);
  return damaged(path, `cannot be read (${code === '' ? String(error) : code}); a readable file was wanted`, error);
}

/** An error with exit code 65 for a file with contents that cannot be used. */
export function damaged(path: string, text: string, cause?: unknown): UserError {
  return new UserError(`${path}: ${text}`, exitCodes.data, cause);
}

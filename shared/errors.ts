/**
 * The two kinds of error that are not bugs. Everything else crashes with its stack.
 *
 * UserError: the user's input, machine or storage is at fault. Shown as one line; the process ends with `exitCode`.
 * ProtocolError: the peer on a socket broke a rule. That peer's socket is closed; nothing else is touched.
 */

/** Exit codes, stable because schedulers act on them. */
export const exitCodes = {
  done: 0,
  bug: 1,
  usage: 2,
  data: 65,
  unavailable: 69,
  stopped: 75,
  refused: 77,
  noGpu: 79,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export class UserError extends Error {
  override readonly name = 'UserError';
  readonly exitCode: ExitCode;

  /** @param message one line: the thing, its value and what was wanted instead. */
  constructor(message: string, exitCode: ExitCode = exitCodes.usage, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.exitCode = exitCode;
  }
}

export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly closeCode: number;

  constructor(message: string, closeCode = 4400, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.closeCode = closeCode;
  }
}

/** The code of a system error (`ENOENT`, ...); empty for anything else. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** Why something could not be read, in a user's words. */
export function readProblem(error: unknown): string {
  const code = codeOf(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'no such file';
  if (code === 'EISDIR') return 'it is a folder';
  return `it cannot be read (${code === '' ? String(error) : code})`;
}

const storageCodes = new Set([
  'ENOSPC',
  'EDQUOT',
  'EIO',
  'EROFS',
  'EACCES',
  'EPERM',
  'EFBIG',
  'ENOTDIR',
  'ESTALE',
  'ENXIO',
  'EMFILE',
  'ENFILE',
]);

/** What a disk that fails is said to do; null for any other error. */
export function storageProblem(error: unknown): string | null {
  const code = codeOf(error);
  if (!storageCodes.has(code)) return null;
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'no space left on the disk';
  return code === 'EROFS' ? 'the disk is read-only' : `the storage answered ${code}`;
}

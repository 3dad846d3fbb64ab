/** What a process ends with: in one line what the user can mend, with its stack what is a bug; and the exit code for it. */
import { CommanderError } from 'commander';
import { codeOf, exitCodes, storageProblem, UserError, type ExitCode } from '../shared/errors.js';
import { memoryProblem } from '../shared/memory-problem.js';
import { sayEnd } from './output.js';
import { onEndAtOnce } from './signals.js';

/**
 * Says what went wrong.
 * @returns the exit code for it
 */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  const known = error instanceof UserError ? error : (memoryProblem(error) ?? startProblem(error));
  if (known !== null) return end(known.message, known.exitCode);
  const problem = storageProblem(error);
  if (problem !== null) return end(`${error instanceof Error ? error.message : ''}: ${problem}`, exitCodes.unavailable);
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  sayEnd(stack, { exitCode: exitCodes.bug });
  return exitCodes.bug;
}

function end(message: string, exitCode: ExitCode): ExitCode {
  sayEnd(message, { exitCode }, 'stillhouse: ');
  return exitCode;
}

const missingParts = new Set(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND', 'ERR_DLOPEN_FAILED']);

/** What keeps a program from starting that is whole and called rightly; null for anything else. */
function startProblem(error: unknown): UserError | null {
  if (!(error instanceof Error)) return null;
  const [first = ''] = error.message.split('\n', 1);
  if (missingParts.has(codeOf(error)))
    return new UserError(`a part of the program cannot be loaded (${first}); npm ci wanted`, exitCodes.unavailable);
  if ('syscall' in error && error.syscall === 'uv_cwd')
    return new UserError('the folder that this was started in is gone; one that is there was wanted');
  return null;
}

/** Has a signal that ends the process at once from here on say that its work is done. */
export function endWithWhatIsKept(): void {
  onEndAtOnce((signal) =>
    sayEnd(
      `stopped (${signal}) behind the work, which is kept; run the same command again for its results`,
      {},
      'stillhouse: ',
    ),
  );
}

/** Ends the process on an error that nobody waits for, as on any other. */
export function endOnStrayErrors(): void {
  for (const event of ['unhandledRejection', 'uncaughtException'] as const)
    process.on(event, (error: unknown) => process.exit(exitCodeOf(error)));
}

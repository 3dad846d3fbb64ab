/**
 * Where the program's lines go: results to stdout, all else to stderr, so that a pipe gets results alone. Nothing else
 * in the command line writes to either.
 */
import { codeOf, exitCodes, storageProblem, UserError } from '../shared/errors.js';

/** What went wrong with stdout first; null for nothing. */
let lost: Error | null = null;
process.stdout.on('error', (error: Error) => {
  lost ??= error;
});
// Whom nobody listens to goes on with the work.
process.stderr.on('error', () => undefined);

/** A word of a command line to copy: as it is where a shell takes it so, else in quotes. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Writes a line of a verb's result to stdout. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Writes a line for the user (progress, warnings, errors) to stderr. Nothing that is said moves the cursor. */
export function say(line: string): void {
  process.stderr.write(`${line.replaceAll('\u001b', '\\u001b')}\n`);
}

/** Writes a warning to stderr. */
export function warn(text: string): void {
  say(`warning: ${text}`);
}

/**
 * Waits until all results are written. A reader that has gone away wanted no more of them.
 * @throws UserError 69 when some could not be
 */
export async function resultsWritten(): Promise<void> {
  await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
  if (lost === null || codeOf(lost) === 'EPIPE') return;
  throw new UserError(
    `standard output: ${storageProblem(lost) ?? lost.message}; results were lost, and a file or pipe that takes them was wanted`,
    exitCodes.unavailable,
    lost,
  );
}

/**
 * Where the program's lines go: results to stdout, all else to stderr, so that a pipe gets results alone. Nothing else
 * in the command line writes to either.
 */

/** Writes a line of a verb's result to stdout. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Writes a line for the user (progress, warnings, errors) to stderr. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Writes a warning to stderr. */
export function warn(text: string): void {
  say(`warning: ${text}`);
}

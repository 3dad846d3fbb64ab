/**
 * Where the program's lines go: results to stdout, all else to stderr, so that a pipe gets results alone. Nothing else
 * in the command line writes to either.
 */
import { codeOf, exitCodes, storageProblem, UserError } from '../shared/errors.js';
import { hasColors, paintFor } from '../shared/colors.js';
import { showLongWork } from '../shared/long-work.js';
import { logLine, type LogFields, type LogLevel } from '../shared/log-line.js';
import { WorkLine } from './work-line.js';

/** How lines for the user are written: as text, or each as an object of JSON. */
export const logFormats = ['text', 'json'] as const;
export type LogFormat = (typeof logFormats)[number];

let format: LogFormat = 'text';

/**
 * Decides how lines for the user are written, by a flag, else by STILLHOUSE_LOG_FORMAT. Whoever starts workers beside
 * itself writes their lines, so they say them as text.
 *
 * @throws UserError 2 for an environment that names no format
 */
export function setLogFormat(flag: LogFormat | undefined): void {
  const { STILLHOUSE_LOG_FORMAT: named } = process.env;
  const wanted = flag ?? logFormats.find((name) => name === named);
  if (wanted === undefined && named !== undefined && named !== '')
    throw new UserError(`STILLHOUSE_LOG_FORMAT: ${named} is no format of lines; ${logFormats.join(' or ')} wanted`);
  format = isSaidAgain(process.env) ? 'text' : (wanted ?? 'text');
}

function isSaidAgain({ STILLHOUSE_LOCAL: local, STILLHOUSE_DEVICE: device }: NodeJS.ProcessEnv): boolean {
  return local === '1' || device !== undefined;
}

/** How lines for the user are written. */
export function logFormat(): LogFormat {
  return format;
}

/** Whether lines have colours: not where another process of this program says them again. */
export const isColored = !isSaidAgain(process.env) && hasColors(process.stderr.isTTY, process.env);
const paint = paintFor(isColored);
const work = new WorkLine(process.stderr, () => performance.now());

/** Shows long work in place, where that is a terminal, lines are text, and the user wants to see it. */
export function showWork(isWanted: boolean): void {
  const isShown = isWanted && process.stderr.isTTY && format === 'text' && process.env.TERM !== 'dumb';
  showLongWork(isShown ? (what, part) => work.show(what, part) : null);
}

/** Takes the line of long work away; others write to the terminal from here on. */
export function clearWork(): void {
  work.clear();
}

/** Who writes lines for the user; null: this module itself. */
let writer: ((line: string) => void) | null = null;

/** Has lines for the user written by another, who draws on the same terminal. */
export function sayThrough(write: (line: string) => void): void {
  writer = write;
}

/** What went wrong with stdout first; null for nothing. */
let lost: Error | null = null;
process.stdout.on('error', (error: Error) => {
  lost ??= error;
});
// Progress that nobody reads any more is no reason to stop.
process.stderr.on('error', () => undefined);

/** A word of a command line to copy: as it is where a shell takes it so, else in quotes. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Writes a line of a verb's result to stdout. */
export function print(line: string): void {
  work.clear();
  process.stdout.write(`${line}\n`);
}

/**
 * Writes a line for the user (progress, warnings, errors) to stderr. Nothing that is said moves the cursor or has colours
 * of its own.
 *
 * @param fields what it is about; `from`, who says it, stands before a line of text
 */
export function say(text: string, { from, ...fields }: LogFields & { readonly from?: string } = {}): void {
  write('info', text, { prefix: from === undefined ? '' : `${from}: `, fields });
}

/** Writes a warning to stderr. */
export function warn(text: string): void {
  write('warn', text, { prefix: paint('yellow', 'warning: '), fields: {} });
}

/** Writes to stderr what this process ends with. */
export function sayEnd(text: string, fields: LogFields, prefix = ''): void {
  write('error', text, { prefix: prefix === '' ? '' : paint('red', prefix), fields });
}

/** So many of the newest lines are remembered. */
const remembered = 20;
const newest: string[] = [];

/** What was said last, as text, in its order. */
export function lastLines(): readonly string[] {
  return newest;
}

function write(
  level: LogLevel,
  text: string,
  { prefix, fields }: { readonly prefix: string; readonly fields: LogFields },
): void {
  if (newest.push(`${prefix}${text}`) > remembered) newest.shift();
  const line =
    format === 'json'
      ? logLine(Date.now(), level, { ...fields, msg: text })
      : `${prefix}${text.replaceAll('\u001b', '\\u001b')}`;
  work.clear();
  if (writer === null) process.stderr.write(`${line}\n`);
  else writer(line);
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

/** What a process that was started says on its standard error, line by line, and what it said last. */
import type { Readable } from 'node:stream';

/** So many of the newest lines are remembered. */
const kept = 20;
/** A frame of an error's stack. */
const stackFrame = /^\s+at /;

/**
 * Hands on each line that is not blank, whole, in the order in which they came.
 *
 * @param stream absent: the process has none, and says nothing
 * @returns the newest of them, to which later ones are added
 */
export function readLines(stream: Readable | null, say: (line: string) => void): string[] {
  const newest: string[] = [];
  let rest = '';
  const take = (line: string): void => {
    if (line.trim() === '') return;
    if (newest.push(line) > kept) newest.shift();
    say(line);
  };
  stream?.setEncoding('utf8').on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(take);
  });
  stream?.on('end', () => take(rest));
  return newest;
}

/** Why a process of this program ended, by what it said last; null where it said nothing. */
export function reasonIn(lines: readonly string[]): string | null {
  return lines.findLast((line) => !stackFrame.test(line))?.replace(/^stillhouse: /, '') ?? null;
}

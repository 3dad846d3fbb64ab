/**
 * What a process that was killed has left to be told: whoever has started it tells the next process in its place, which tells
 * the coordinator when it joins. One that ends by itself has told it itself.
 */
import type { z } from 'zod';
import { UserError } from '../errors.js';
import { printable } from '../printable.js';
import { fitToSay } from './fields.js';
import { endedBefore, limits } from './messages.js';

/** How the process before ended. */
export type EndedBefore = z.infer<typeof endedBefore>;

/** What the next process gets in its environment; nothing for one that was not killed. */
export function toldNext(signal: string | null, lines: readonly string[]): Record<string, string> {
  if (signal === null) return {};
  const told: EndedBefore = { signal, lines: lines.slice(-limits.lastLines).map(fitToSay) };
  return { STILLHOUSE_KILLED: JSON.stringify(told) };
}

/**
 * Takes it out of the environment, so that no process that is started here has it; null where there is none.
 * @throws UserError 2 for a text that `toldNext` has not made
 */
export function takeToldBefore(environment: NodeJS.ProcessEnv): EndedBefore | null {
  const { STILLHOUSE_KILLED: text } = environment;
  if (text === undefined) return null;
  delete environment.STILLHOUSE_KILLED;
  try {
    return endedBefore.parse(JSON.parse(text));
  } catch (error) {
    const wanted = 'what a worker is told by who starts it was wanted, or none of it';
    throw new UserError(`STILLHOUSE_KILLED=${printable(text, 60)}: ${wanted}`, undefined, error);
  }
}

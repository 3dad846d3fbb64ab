/** What a verb of the command line is: a function that declares itself to the program. */
import type { Command } from 'commander';

/** Declares one verb to the program: its arguments, its options and its action. */
export type Verb = (program: Command) => void;

/**
 * Makes a function an action of commander.
 * @param run gets the verb's arguments and flags, and resolves to the exit code of the process
 */
export function action<A extends unknown[]>(run: (...args: A) => Promise<number>): (...args: A) => Promise<void> {
  return async (...args) => {
    process.exitCode = await run(...args);
  };
}

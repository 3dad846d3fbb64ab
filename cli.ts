#!/usr/bin/env node
/**
 * The entry of the program: installs the signal handlers before anything else, runs the verb that the command line
 * names, and turns what it ends with into an exit code. It must import nothing heavy: a verb imports what it needs when
 * it runs.
 */
import { onEndAtOnce } from './cli/signals.js';
import { endOnStrayErrors, exitCodeOf } from './cli/endings.js';
import { clearWork, resultsWritten, sayEnd } from './cli/output.js';
import { program } from './cli/program.js';

endOnStrayErrors();
onEndAtOnce((signal) =>
  sayEnd(`stopped (${signal}) before there was anything to keep; run the same command again`, {}, 'stillhouse: '),
);
try {
  await (await program()).parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}
clearWork();
try {
  await resultsWritten();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}
// Sockets, timers and threads that are still open would keep the process alive.
process.exit();

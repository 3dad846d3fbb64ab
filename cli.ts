#!/usr/bin/env node
/**
 * The entry of the program: installs the signal handlers before anything else, declares the verbs, runs the one that
 * the command line names, and turns what it ends with into an exit code. It must import nothing heavy: a verb imports
 * what it needs when it runs.
 */
import './cli/signals.js';
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { endOnStrayErrors, exitCodeOf } from './cli/endings.js';
import { resultsWritten } from './cli/output.js';
import type { Verb } from './cli/verb.js';

/** The verbs, in the order of `--help`. A new one is a file in `cli/` and a line here. */
const verbs: readonly Promise<{ readonly verb: Verb }>[] = [
  import('./cli/run.js'),
  import('./cli/coordinator.js'),
  import('./cli/compare.js'),
  import('./cli/label.js'),
  import('./cli/worker.js'),
  import('./cli/eval.js'),
  import('./cli/export.js'),
  import('./cli/verify.js'),
  import('./cli/validate.js'),
  import('./cli/init.js'),
  import('./cli/doctor.js'),
  import('./cli/backend.js'),
  import('./cli/token.js'),
];

async function program(): Promise<Command> {
  const root = new Command('stillhouse')
    .description('Distil many teachers into one student, on many machines at once.')
    .version(packageVersion());
  root.exitOverride().showHelpAfterError('(stillhouse --help lists the verbs)');
  for (const { verb } of await Promise.all(verbs)) verb(root);
  return root;
}

function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}

endOnStrayErrors();
try {
  await (await program()).parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}
try {
  await resultsWritten();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}
// Sockets, timers and threads that are still open would keep the process alive.
process.exit();

/** The program that commander runs: its verbs, in the order of `--help`. It imports nothing heavy. */
import { Command, Option } from 'commander';
import { logFormats, setLogFormat, showWork, type LogFormat } from './output.js';
import { packageVersion } from './program-version.js';
import type { Verb } from './verb.js';

/** A new verb is a file in this folder and a line here. */
const verbs: readonly Promise<{ readonly verb: Verb }>[] = [
  import('./run.js'),
  import('./coordinator.js'),
  import('./compare.js'),
  import('./search.js'),
  import('./label.js'),
  import('./worker.js'),
  import('./relay.js'),
  import('./status.js'),
  import('./drain.js'),
  import('./stop.js'),
  import('./logs.js'),
  import('./eval.js'),
  import('./export.js'),
  import('./report.js'),
  import('./verify.js'),
  import('./validate.js'),
  import('./plan.js'),
  import('./init.js'),
  import('./doctor.js'),
  import('./backend.js'),
  import('./token.js'),
];

/** It throws where the command line is wrong, and leaves the exit code of a verb in `process.exitCode`. */
export async function program(): Promise<Command> {
  const root = new Command('stillhouse')
    .description('Distil many teachers into one student, on many machines at once.')
    .version(packageVersion());
  root
    .addOption(
      new Option(
        '--log-format <format>',
        'how lines on standard error are written (else STILLHOUSE_LOG_FORMAT)',
      ).choices(logFormats),
    )
    .hook('preAction', (command, verb) => {
      setLogFormat(command.opts<{ logFormat?: LogFormat }>().logFormat);
      showWork(verb.opts<{ quiet?: boolean }>().quiet !== true);
    });
  root.exitOverride().showHelpAfterError('(stillhouse --help lists the verbs)');
  for (const { verb } of await Promise.all(verbs)) verb(root);
  return root;
}

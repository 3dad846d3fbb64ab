/** `stillhouse run`: a coordinator and local workers, to the end. */
import { exitCodes } from '../shared/errors.js';
import { runLocally, type LocalRunFlags } from './local-run.js';
import { backendOption, memoryOption, withFolder } from './options.js';
import { showResults } from './results.js';
import { positive } from './values.js';
import { action, type Verb } from './verb.js';
import { openWholeRun } from './whole-run.js';

export const verb: Verb = (program) =>
  withFolder(program.command('run').argument('<recipe>').description('coordinator and local workers, to the end'))
    .option('--workers <n>', 'local workers (default: one per GPU, else one per core)', positive)
    .option('--label-workers <n>', 'local workers beside them that only label', positive)
    .addOption(backendOption())
    .addOption(memoryOption())
    .action(action(run));

async function run(file: string, flags: LocalRunFlags): Promise<number> {
  const opened = await openWholeRun(file, flags);
  await showResults(opened, await runLocally(opened, flags), flags);
  return exitCodes.done;
}

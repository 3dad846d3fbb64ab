/** `stillhouse coordinator`: the coordinator alone, for workers that join from elsewhere. */
import { exitCodes } from '../shared/errors.js';
import { withFolder, withJoining, type FolderFlags } from './options.js';
import { say } from './output.js';
import { showResults } from './results.js';
import { joinLine, joinToken, listenAddress, positive, type JoinFlags } from './values.js';
import { action, type Verb } from './verb.js';
import { coordinateWhole, openWholeRun } from './whole-run.js';

interface CoordinatorFlags extends FolderFlags, JoinFlags {
  readonly expect?: number;
}

export const verb: Verb = (program) =>
  withJoining(
    withFolder(program.command('coordinator').argument('<recipe>').description('the coordinator alone')).requiredOption(
      '--listen <host:port>',
      'where workers connect',
      listenAddress,
    ),
  )
    .option('--expect <n>', 'begin when so many workers are ready', positive)
    .action(action(coordinator));

async function coordinator(file: string, flags: CoordinatorFlags): Promise<number> {
  const token = joinToken(flags);
  const opened = await openWholeRun(file, flags);
  let isAnnounced = false;
  const summary = await coordinateWhole(opened, {
    address: flags.listen,
    token,
    flags,
    expected: flags.expect,
    onListening: (port) => {
      if (isAnnounced) return;
      isAnnounced = true;
      say(joinLine({ ...flags.listen, port }, token));
    },
  });
  await showResults(opened, summary, flags);
  return exitCodes.done;
}
